import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { UserError } from '../../errors.ts';
import type { Name } from '../../name.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { readStatus } from '../../status/read-status.ts';
import { statusText } from '../../status/status-text.ts';
import { namesOf } from './named-directories.ts';
import { connectAll, readConfig, statePathOf } from './open-site.ts';
import { openOutput } from './output.ts';

export interface StatusOptions extends CommonOptions {
  readonly watch?: boolean;
  readonly check?: boolean;
  readonly warn?: string;
  readonly crit?: string;
}

const REDRAW_MS = 1000;
/** Pauses so many times as long as the last listing took: counting a million files each second would be a load of its own. */
const REST_FACTOR = 4;

/**
 * `isocket status`: what is on disk, daemon or not, of all directories or of those named. Resolves with the exit code: 3 unless all is
 * well; with `--check` that of a plug-in for Nagios.
 */
export const status = async (options: StatusOptions, named: readonly string[] = []): Promise<number> => {
  if (options.check === true) return (await import('./status-check.ts')).statusCheck(named, options);
  if (options.warn !== undefined || options.crit !== undefined)
    throw new UserError('--warn and --crit are the limits of --check', { hint: 'add --check, or leave them out' });
  using shutdown = listenForShutdown();
  const { verbose = false, quiet = false, json = false, watch = false } = options;
  // The one object on stdout is the result: everything else goes to stderr, with --json too.
  using output = await openOutput({ verbose, quiet });
  const site = await statusSource(named, options, output.report);
  for (;;) {
    const started = performance.now();
    const current = await site.read();
    if (json) process.stdout.write(`${JSON.stringify(current)}\n`);
    else show(`${watch ? clock() : ''}${statusText(current, { verbose })}`, watch);
    if (!watch) return shutdown.exitCode ?? (current.problems.length > 0 ? 3 : 0);
    const restMs = Math.max(REDRAW_MS, (performance.now() - started) * REST_FACTOR);
    await delay(restMs, undefined, { signal: shutdown.signal }).catch(() => undefined);
    if (shutdown.exitCode !== undefined) return shutdown.exitCode;
  }
};

export interface StatusSource {
  readonly config: Config;
  readonly read: () => ReturnType<typeof readStatus>;
}

/** @throws UserError where the configuration cannot be used, or a directory that is named is none of the site */
export const statusSource = async (
  named: readonly string[],
  options: CommonOptions,
  report: Report,
): Promise<StatusSource> => {
  const config = await readConfig(options, report);
  const statePath = statePathOf(config);
  const labels = await labelsOf(config, statePath, report);
  const only: ReadonlySet<Name> | undefined = namesOf(config.source, named);
  return { config, read: () => readStatus(config, statePath, labels, only) };
};

/** How `finished.watch` names the destinations. Nothing is connected for that. */
const labelsOf = async (config: Config, statePath: string, report: Report): Promise<string[]> => {
  await using stack = new AsyncDisposableStack();
  return connectAll(config, statePath, report).map((transport) => stack.use(transport).label);
};

/** Who looks at it sees that it goes on. */
const clock = (): string => `${new Date().toTimeString().slice(0, 'HH:MM:SS'.length)}\n`;

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
