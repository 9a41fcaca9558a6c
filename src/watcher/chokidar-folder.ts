import { lstatSync } from 'node:fs';
import { errorMessage } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import type { FolderWatch, OnFileEvent, TellTrouble } from './file-events.ts';
import { reachedLimit, type ReachedLimit } from './inotify-limits.ts';

export interface ChokidarOptions {
  readonly tellTrouble: TellTrouble;
  readonly tellLimit: (limit: ReachedLimit) => void;
  /** Calls back when the event loop was so late that an overflow may have gone unseen. Returns how to stop. */
  readonly onLag: (callback: () => void) => () => void;
}

/**
 * Hints only: the kernel is not asked for the close of a file, and an overflow is dropped in silence (libuv). Not
 * `awaitWriteFinish`: it takes a pause for the end.
 */
export const watchWithChokidar = (
  folder: Name,
  { tellTrouble, tellLimit, onLag }: ChokidarOptions,
  onEvent: OnFileEvent,
): FolderWatch => {
  const ready = Promise.withResolvers<undefined>();
  let state: 'starting' | 'up' | 'dead' | 'stopped' = 'starting';
  let close = (): Promise<void> => Promise.resolve();

  const die = (event: Parameters<OnFileEvent>[0]): void => {
    if (state === 'dead' || state === 'stopped') return;
    state = 'dead';
    onEvent(event);
    ready.resolve(undefined);
    void close();
  };
  const fail = (error: unknown): void => {
    if (state !== 'starting') return onEvent({ kind: 'rescan', path: '', why: 'error' });
    const limit = reachedLimit(errorMessage(error));
    if (limit === undefined) {
      tellTrouble(
        `Cannot watch "${showName(folder)}": ${showName(errorMessage(error))}`,
        'files in it are found by the rescan alone',
      );
    } else tellLimit(limit);
    die({ kind: 'rescan', path: '', why: 'error' });
  };
  const isThere = (): boolean => lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;

  const start = async (): Promise<void> => {
    if (!folder.isWellFormed()) {
      fail(new Error('its name is not valid UTF-8'));
      return;
    }
    // Loaded when it is needed: most hosts have inotifywait.
    const { watch } = await import('chokidar');
    if (stopped()) return;
    if (!isThere()) {
      die({ kind: 'gone' });
      return;
    }
    const watcher = watch(folder, { depth: 0, ignoreInitial: true, atomic: false, followSymlinks: false });
    const stopLag = onLag(() => {
      if (state === 'up') onEvent({ kind: 'rescan', path: '', why: 'lag' });
    });
    close = async () => {
      stopLag();
      await watcher.close();
    };
    watcher.on('error', fail);
    watcher.on('ready', () => {
      if (state !== 'starting') return;
      state = 'up';
      onEvent({ kind: 'rescan', path: '', why: 'ready' });
      ready.resolve(undefined);
    });
    watcher.on('all', (event, path) => {
      if (state !== 'up') return;
      if (path === folder) {
        if (event === 'unlinkDir') die({ kind: 'gone' });
        return;
      }
      const name = path.slice(folder.length + 1);
      if (event === 'addDir') onEvent({ kind: 'folder', path: name });
      else if (event === 'add' || event === 'change') onEvent({ kind: 'hint', path: name });
    });
    // What is not UTF-8 arrives with its stray bytes replaced, and is looked for in vain.
    watcher.on('raw', (_event, path) => {
      if (state === 'up' && path?.includes('\ufffd') === true) onEvent({ kind: 'hint', path: undefined });
    });
  };
  const stopped = (): boolean => state === 'stopped';
  const starting = start();

  return {
    ready: ready.promise,
    get isUp() {
      return state === 'up';
    },
    [Symbol.asyncDispose]: async () => {
      state = 'stopped';
      ready.resolve(undefined);
      await starting;
      await close();
    },
  };
};
