import type { Name } from '../name.ts';
import type { IsExcluded } from '../source/scanner.ts';
import { watchWithChokidar } from './chokidar-folder.ts';
import type { SourceChoice, WatcherFacts } from './choose-source.ts';
import type { FolderWatch, OnFileEvent, ReportFailure } from './file-events.ts';
import { describeLimit, readInotifyLimits, type ReachedLimit } from './inotify-limits.ts';
import { watchWithInotifywait } from './inotifywait-folder.ts';
import { findInotifywait } from './inotifywait-program.ts';
import { createLagDetector } from './lag.ts';
import { watchTree, type TreeWatch } from './watch-tree.ts';

/** The watches of one site, over the chosen source. Disposing ends them all. */
export interface Watcher extends AsyncDisposable {
  readonly source: SourceChoice['source'];
  readonly exact: boolean;
  /** Number of folders watched now. */
  readonly folders: number;
  /** One folder, not its sub-folders. */
  watchFolder(folder: Name, onEvent: OnFileEvent): FolderWatch;
  /** A directory and all its sub-folders; event paths are relative to the directory. */
  watchTree(directory: Name, isExcluded: IsExcluded, onEvent: OnFileEvent): TreeWatch;
}

export interface WatcherOptions {
  readonly reportFailure: ReportFailure;
  /** Sub-folders beyond this are left to the rescan: the default limit is 128 inotify instances a user, and each folder takes one. */
  readonly maxFolders?: number;
  readonly restartMs?: { readonly first: number; readonly most: number };
}

const MAX_FOLDERS = 64;

/** Examined once, at the start. */
export const findWatcherFacts = async (): Promise<WatcherFacts> => ({
  inotifywait: await findInotifywait(),
  limits: readInotifyLimits(),
});

export const openWatcher = (
  choice: SourceChoice,
  { reportFailure, maxFolders = MAX_FOLDERS, restartMs }: WatcherOptions,
): Watcher => {
  const watches = new Set<FolderWatch>();
  const reported = new Set<string>();
  const onLag = createLagDetector();
  const reportOnce = (what: string, message: string, hint: string): void => {
    if (reported.has(what)) return;
    reported.add(what);
    reportFailure(message, hint);
  };
  const reportLimit = (limit: ReachedLimit): void => reportOnce(limit, ...describeLimit(limit, readInotifyLimits()));

  const start = (folder: Name, onEvent: OnFileEvent): FolderWatch =>
    choice.source === 'inotifywait'
      ? watchWithInotifywait(
          folder,
          { program: choice.program, reportFailure, reportLimit, ...(restartMs && { restartMs }) },
          onEvent,
        )
      : watchWithChokidar(folder, { reportFailure, reportLimit, onLag }, onEvent);

  const watchFolder = (folder: Name, onEvent: OnFileEvent): FolderWatch => {
    const inner = start(folder, onEvent);
    const watch: FolderWatch = {
      ready: inner.ready,
      get isUp() {
        return inner.isUp;
      },
      [Symbol.asyncDispose]: async () => {
        watches.delete(watch);
        await inner[Symbol.asyncDispose]();
      },
    };
    watches.add(watch);
    return watch;
  };

  const watchSubFolder = (folder: Name, onEvent: OnFileEvent): FolderWatch | undefined => {
    if (choice.source === 'chokidar' || watches.size < maxFolders) return watchFolder(folder, onEvent);
    reportOnce(
      'folders',
      `Cannot watch more than ${maxFolders} folders: files in further sub-folders are found by the rescan alone`,
      'shorten source.rescan if that is too slow',
    );
    return undefined;
  };

  return {
    source: choice.source,
    exact: choice.exact,
    get folders() {
      return watches.size;
    },
    watchFolder,
    watchTree: (directory, isExcluded, onEvent) =>
      watchTree(directory, { isExcluded, watchSubFolder, watchTop: watchFolder }, onEvent),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...watches].map((watch) => watch[Symbol.asyncDispose]()));
    },
  };
};
