import { UserError } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import { formatDuration } from '../core/units.ts';
import type { InotifyLimits } from './inotify-limits.ts';
import type { InotifywaitProgram } from './inotifywait-program.ts';

/** What a look at the host found. */
export interface WatcherFacts {
  readonly inotifywait: InotifywaitProgram | undefined;
  readonly limits: InotifyLimits;
}

/** `exact`: it tells the moment a writer closes a file. The other one gives hints, and quiet time decides. */
export type SourceChoice =
  | { readonly source: 'inotifywait'; readonly exact: true; readonly program: InotifywaitProgram }
  | { readonly source: 'chokidar'; readonly exact: false };

/**
 * `source.watcher` and the host → the source. Pure.
 * @throws UserError where the configuration insists on what is not installed
 */
export const chooseSource = (
  setting: 'auto' | 'inotifywait' | 'chokidar',
  { inotifywait }: Pick<WatcherFacts, 'inotifywait'>,
): SourceChoice => {
  if (setting !== 'chokidar' && inotifywait !== undefined)
    return { source: 'inotifywait', exact: true, program: inotifywait };
  if (setting !== 'inotifywait') return { source: 'chokidar', exact: false };
  throw new UserError('Cannot watch as source.watcher says: inotifywait is not installed', {
    hint: 'apt install inotify-tools (dnf, apk: the same name), or set source.watcher to auto',
  });
};

export interface WatchedSite {
  readonly root: Name;
  readonly newest: string;
  readonly rescanMs: number;
  readonly settleMs: number;
}

/** One line for the log: what watches, how well, and within which limits. */
export const describeSource = (choice: SourceChoice, facts: WatcherFacts, site: WatchedSite): string => {
  const { queuedEvents = '?', instances = '?', watches = '?' } = facts.limits;
  const limits = `inotify queue ${queuedEvents}, instances ${instances}, watches ${watches}`;
  const rest = `order ${site.newest}, rescan ${short(site.rescanMs)}; ${limits}`;
  const where = `watching ${showName(site.root)}`;
  if (choice.source === 'inotifywait') {
    const names = choice.program.recordEnd === '\0' ? 'NUL names' : 'newline names';
    return `${where}: inotifywait ${choice.program.version} (exact close_write, ${names}), ${rest}`;
  }
  const rule = `a file counts as finished after ${short(site.settleMs)} without change and no writer in /proc`;
  return facts.inotifywait === undefined
    ? `${where}: inotifywait not found: using chokidar, ${rule}; apt install inotify-tools for exact events; ${rest}`
    : `${where}: chokidar, as source.watcher says, ${rule}; ${rest}`;
};

/** "30 s", where the usual words would be "30.0 s". */
const short = (ms: number): string => formatDuration(ms).replace(/\.0 s$/, ' s');
