import { UserError } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import { formatDuration } from '../core/units.ts';
import type { InotifyLimits } from './inotify-limits.ts';
import type { InotifywaitProgram } from './inotifywait-program.ts';

/** What this host offers for watching. */
export interface WatcherFacts {
  readonly inotifywait: InotifywaitProgram | undefined;
  readonly limits: InotifyLimits;
}

/** `exact`: reports when a writer closes a file. Otherwise events are hints, and `source.settle` decides. */
export type SourceChoice =
  | { readonly source: 'inotifywait'; readonly exact: true; readonly program: InotifywaitProgram }
  | { readonly source: 'chokidar'; readonly exact: false };

/**
 * `source.watcher` and the host → the source. Pure.
 * @throws UserError if the configuration requires inotifywait and it is not installed
 */
export const chooseSource = (
  setting: 'auto' | 'inotifywait' | 'chokidar',
  { inotifywait }: Pick<WatcherFacts, 'inotifywait'>,
): SourceChoice => {
  if (setting !== 'chokidar' && inotifywait !== undefined)
    return { source: 'inotifywait', exact: true, program: inotifywait };
  if (setting !== 'inotifywait') return { source: 'chokidar', exact: false };
  throw new UserError('Cannot use "inotifywait" (source.watcher): it is not installed', {
    hint: 'apt install inotify-tools (dnf, apk: the same name), or set source.watcher to auto',
  });
};

export interface WatchedSite {
  readonly root: Name;
  readonly newest: string;
  readonly rescanMs: number;
  readonly settleMs: number;
}

/** One log line: the source, what it reports and the kernel's limits. */
export const describeSource = (choice: SourceChoice, facts: WatcherFacts, site: WatchedSite): string => {
  const { queuedEvents = '?', instances = '?', watches = '?' } = facts.limits;
  const limits = `inotify queue ${queuedEvents}, instances ${instances}, watches ${watches}`;
  const rest = `order ${site.newest}, rescan ${short(site.rescanMs)}; ${limits}`;
  const where = `watching ${showName(site.root)}`;
  if (choice.source === 'inotifywait') {
    const names = choice.program.recordTerminator === '\0' ? 'NUL names' : 'newline names';
    return `${where}: inotifywait ${choice.program.version} (exact close_write, ${names}), ${rest}`;
  }
  const rule = `a file counts as finished after ${short(site.settleMs)} without change and no writer in /proc`;
  return facts.inotifywait === undefined
    ? `${where}: inotifywait not found: using chokidar, ${rule}; apt install inotify-tools for exact events; ${rest}`
    : `${where}: chokidar (source.watcher), ${rule}; ${rest}`;
};

/** "30 s" instead of "30.0 s". */
const short = (ms: number): string => formatDuration(ms).replace(/\.0 s$/, ' s');
