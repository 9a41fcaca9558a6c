import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { defaultStatePath } from '../../marks/state.ts';
import { readStatus } from '../../status/read-status.ts';
import { statusText } from '../../status/status-text.ts';
import { connectAll, readConfig } from './open-site.ts';
import { openOutput } from './output.ts';

export interface StatusOptions extends CommonOptions {
  readonly watch?: boolean;
}

const REDRAW_MS = 1000;
/** Pauses so many times as long as the last listing took: counting a million files each second would be a load of its own. */
const REST_FACTOR = 4;

/** `isocket status`: what is on disk, daemon or not. Resolves with the exit code: 3 unless all is well. */
export const status = async (options: StatusOptions): Promise<number> => {
  using shutdown = listenForShutdown();
  const { verbose = false, quiet = false, json = false } = options;
  // The one object on stdout is the result: everything else goes to stderr, with --json too.
  using output = await openOutput({ verbose, quiet });
  const config = await readConfig(options, output.report);
  const statePath = config.state ?? defaultStatePath(config.site);
  const labels = await labelsOf(config, statePath, output.report);
  for (;;) {
    const started = performance.now();
    const current = await readStatus(config, statePath, labels);
    if (json) process.stdout.write(`${JSON.stringify(current)}\n`);
    else show(statusText(current, { verbose }), options.watch === true);
    if (options.watch !== true) return shutdown.exitCode ?? (current.problems.length > 0 ? 3 : 0);
    const restMs = Math.max(REDRAW_MS, (performance.now() - started) * REST_FACTOR);
    await delay(restMs, undefined, { signal: shutdown.signal }).catch(() => undefined);
    if (shutdown.exitCode !== undefined) return shutdown.exitCode;
  }
};

/** How `finished.watch` names the destinations. Nothing is connected for that. */
const labelsOf = async (config: Config, statePath: string, report: Report): Promise<string[]> => {
  await using stack = new AsyncDisposableStack();
  return connectAll(config, statePath, report).map((transport) => stack.use(transport).label);
};

const HOME_AND_CLEAR = '\x1b[H\x1b[2J';

const show = (text: string, redraws: boolean): void => {
  const { isTTY, rows } = process.stdout;
  if (!redraws || !isTTY) process.stdout.write(text);
  // Text longer than the terminal would scroll its own beginning away.
  else
    process.stdout.write(
      HOME_AND_CLEAR +
        text
          .split('\n')
          .slice(0, rows - 1)
          .join('\n'),
    );
};
