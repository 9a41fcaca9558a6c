import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../errors.ts';
import { listenForShutdown } from '../shutdown.ts';
import { whenUnread } from '../unprinted.ts';
import { statusText } from '../../status/status-text.ts';
import { canRedraw } from '../reporters/terminal-line.ts';
import { wrapLines } from '../reporters/wrap-lines.ts';
import { openOutput } from './output.ts';
import { statusSource, type StatusOptions } from './status-source.ts';

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
  const signal = AbortSignal.any([shutdown.signal, whenUnread()]);
  for (;;) {
    const started = performance.now();
    const current = await site.read();
    if (json) process.stdout.write(`${JSON.stringify(current)}\n`);
    else
      show(
        `${watch ? clock() : ''}${statusText(current, { verbose, areNamed: named.length > 0, problemsFirst: watch })}`,
        watch,
      );
    if (!watch) return shutdown.exitCode ?? (current.problems.length > 0 ? 3 : 0);
    const restMs = Math.max(REDRAW_MS, (performance.now() - started) * REST_FACTOR);
    await delay(restMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return shutdown.exitCode ?? 0;
  }
};

/** Who looks at it sees that it goes on. */
const clock = (): string => `${new Date().toTimeString().slice(0, 'HH:MM:SS'.length)}\n`;

const HOME_AND_CLEAR = '\x1b[H\x1b[2J';

const show = (text: string, watches: boolean): void => {
  const { stdout, env } = process;
  const { isTTY, columns, rows } = stdout;
  const redraws = watches && canRedraw(stdout, env.TERM);
  stdout.write(isTTY ? onScreen(text, { columns, rows, redraws }) : text);
};

/** 0 where a terminal does not know. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  /** It takes the place of what is there. */
  readonly redraws: boolean;
}

/** As a terminal shows it: broken between words. Pure. */
export const onScreen = (text: string, { columns, rows, redraws }: Screen): string => {
  const wrapped = wrapLines(text, columns);
  if (!redraws) return wrapped;
  const lines = wrapped.trimEnd().split('\n');
  if (rows === 0 || countFitting(lines, columns, rows - 1) === lines.length)
    return `${HOME_AND_CLEAR}${lines.join('\n')}\n`;
  // Text longer than the terminal would scroll its own beginning away.
  const shown = lines.slice(0, countFitting(lines, columns, rows - 2));
  return `${HOME_AND_CLEAR}${[...shown, `... ${lines.length - shown.length} more lines`].join('\n')}`;
};

/** How many of the lines have room in so many rows: a word that is longer than the terminal is wide takes several. */
const countFitting = (lines: readonly string[], columns: number, rows: number): number => {
  const width = columns > 0 ? columns : Infinity;
  let used = 0;
  const first = lines.findIndex((line) => (used += Math.max(1, Math.ceil(line.length / width))) > rows);
  return first < 0 ? lines.length : first;
};
