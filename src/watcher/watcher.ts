import type { Name } from '../name.ts';
import type { IsExcluded } from '../source/scanner.ts';
import { watchWithChokidar } from './chokidar-folder.ts';
import type { SourceChoice, WatcherFacts } from './choose-source.ts';
import type { FolderWatch, OnFileEvent, TellTrouble } from './file-events.ts';
import { describeLimit, readInotifyLimits, type ReachedLimit } from './inotify-limits.ts';
import { watchWithInotifywait } from './inotifywait-folder.ts';
import { findInotifywait } from './inotifywait-program.ts';
import { createLagDetector } from './lag.ts';
import { watchTree, type TreeWatch } from './watch-tree.ts';

/** The watches of one site, over the source that was chosen. Disposing of it ends them all. */
export interface Watcher extends AsyncDisposable {
  readonly source: SourceChoice['source'];
  readonly exact: boolean;
  /** Folders that are watched right now. */
  readonly folders: number;
  /** One folder, without what is below its sub-folders. */
  watchFolder(folder: Name, onEvent: OnFileEvent): FolderWatch;
  /** A directory and all its sub-folders; paths are below the directory. */
  watchTree(directory: Name, isExcluded: IsExcluded, onEvent: OnFileEvent): TreeWatch;
}

export interface WatcherOptions {
  readonly tellTrouble: TellTrouble;
  /** Sub-folders beyond this are left to the rescan: a user may have 128 inotify instances, and we need one a folder. */
  readonly mostFolders?: number;
  readonly restartMs?: { readonly first: number; readonly most: number };
}

const MOST_FOLDERS = 64;

/** One look at the host, at the start. */
export const findWatcherFacts = async (): Promise<WatcherFacts> => ({
  inotifywait: await findInotifywait(),
  limits: readInotifyLimits(),
});

export const openWatcher = (
  choice: SourceChoice,
  { tellTrouble, mostFolders = MOST_FOLDERS, restartMs }: WatcherOptions,
): Watcher => {
  const watches = new Set<FolderWatch>();
  const told = new Set<string>();
  const onLag = createLagDetector();
  const tellOnce = (what: string, message: string, hint: string): void => {
    if (told.has(what)) return;
    told.add(what);
    tellTrouble(message, hint);
  };
  const tellLimit = (limit: ReachedLimit): void => tellOnce(limit, ...describeLimit(limit, readInotifyLimits()));

  const start = (folder: Name, onEvent: OnFileEvent): FolderWatch =>
    choice.source === 'inotifywait'
      ? watchWithInotifywait(
          folder,
          { program: choice.program, tellTrouble, tellLimit, ...(restartMs && { restartMs }) },
          onEvent,
        )
      : watchWithChokidar(folder, { tellTrouble, tellLimit, onLag }, onEvent);

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
    if (choice.source === 'chokidar' || watches.size < mostFolders) return watchFolder(folder, onEvent);
    tellOnce(
      'folders',
      `Watching ${mostFolders} folders, and no more: files in further sub-folders are found by the rescan alone`,
      'shorten source.rescan where that is too slow',
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
