import { checkSite, type CheckResult } from '../../check/check-site.ts';
import { allDestinations, type Config, type Destination } from '../../config/config.ts';
import { whyDistrusted } from '../../check/told.ts';
import { UserError } from '../../errors.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { showLines } from '../../name.ts';
import { defaultStatePath } from '../../marks/state.ts';
import { tryHooks } from '../../status/notify/try-hooks.ts';
import { wrapFor } from '../reporters/wrap-lines.ts';
import { connectAll, readConfig } from './open-site.ts';

export interface CheckCommandOptions extends CommonOptions {
  /** Those who are told are given a test alert; nothing else is checked. */
  readonly notify?: boolean;
}

/**
 * `isocket check`: every check that can run before a file is sent, one line each. Resolves with the exit code: 2 for a failure at this
 * end, 3 for one at the destination.
 */
export const check = async (options: CheckCommandOptions): Promise<number> => {
  using shutdown = listenForShutdown();
  const count = { ok: 0, warning: 0, failure: 0 };
  const failed = new Set<CheckResult['end']>();
  let below: string | undefined;
  const report = (result: CheckResult): void => {
    count[result.state] += 1;
    if (result.state === 'failure') failed.add(result.end);
    if (options.json === true) {
      writeJson(result);
      return;
    }
    if (options.quiet === true && result.state === 'ok') return;
    const heading = result.of === below ? '' : `${result.of ?? 'all destinations'}:\n`;
    below = result.of;
    process.stdout.write(heading + wrapFor(process.stdout, show(result)));
  };
  try {
    for await (const result of checkAll(options, shutdown.signal)) report(result);
  } catch (error) {
    if (!shutdown.signal.aborted) throw error;
  }
  const { ok, warning: warnings, failure: failures } = count;
  if (options.json === true) process.stdout.write(`${JSON.stringify({ type: 'summary', ok, warnings, failures })}\n`);
  else if (options.quiet !== true || failures > 0)
    process.stdout.write(`${ok} ok, ${plural(warnings, 'warning')}, ${plural(failures, 'failure')}\n`);
  return shutdown.exitCode ?? (failed.has('here') ? 2 : failed.has('destination') ? 3 : 0);
};

async function* checkAll(options: CheckCommandOptions, signal: AbortSignal): AsyncGenerator<CheckResult> {
  let path = '';
  let config: Config;
  try {
    config = await readConfig(options, (event) => {
      if (event.type === 'config') path = event.path;
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const hint = error.hint ?? 'correct the configuration';
    yield { what: 'config', state: 'failure', message: error.message, hint, end: 'here' };
    return;
  }
  yield { what: 'config', state: 'ok', message: `${path}: site ${config.site}`, end: 'here' };
  if (options.notify === true) {
    const tried = tryHooks({ config, configPath: path, distrusted: whyDistrusted(path), signal });
    for await (const result of tried) yield { ...result, end: 'here' };
    return;
  }
  const statePath = config.state ?? defaultStatePath(config.site);
  await using stack = new AsyncDisposableStack();
  const all = allDestinations(config);
  const destinations = connectAll({ ...config, destinations: all }, statePath, () => undefined);
  const bestEffort = new Set(
    destinations.filter((_one, index) => config.bestEffort.includes(all[index] as Destination)),
  );
  for (const transport of destinations) stack.use(transport);
  yield* checkSite({ config, configPath: path, statePath, destinations, bestEffort, signal });
}

const writeJson = ({ of, what: which, state, message, hint }: CheckResult): void => {
  const what = of === undefined ? which : `${of}: ${which}`;
  process.stdout.write(`${JSON.stringify({ type: 'check', what, state, message, hint })}\n`);
};

const WIDEST = 'other destination'.length;

/** One line, and one below it with the fix. */
const show = ({ what, state, message, hint }: CheckResult): string =>
  showLines(
    `${state.padEnd(8)} ${what.padEnd(WIDEST)} ${message}\n${hint === undefined ? '' : `${' '.repeat(10 + WIDEST)}${hint}\n`}`,
  );

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
