import { lstatSync } from 'node:fs';
import { errorMessage } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import type { FolderWatch, OnFileEvent, ReportFailure } from './file-events.ts';
import { reachedLimit, type ReachedLimit } from './inotify-limits.ts';

export interface ChokidarOptions {
  readonly reportFailure: ReportFailure;
  readonly reportLimit: (limit: ReachedLimit) => void;
  /** Calls back after an event loop delay that may hide an overflow. Returns a function that unsubscribes. */
  readonly onLag: (callback: () => void) => () => void;
}

/**
 * Hints only: libuv does not subscribe to close events and drops a queue overflow silently. Not `awaitWriteFinish`: it takes
 * a pause in writing for the end of the file.
 */
export const watchWithChokidar = (
  folder: Name,
  { reportFailure, reportLimit, onLag }: ChokidarOptions,
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
      reportFailure(
        `Cannot watch "${showName(folder)}": ${showName(errorMessage(error))}`,
        'files in it are found by the rescan alone',
      );
    } else reportLimit(limit);
    die({ kind: 'rescan', path: '', why: 'error' });
  };
  const isThere = (): boolean => lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;

  const start = async (): Promise<void> => {
    if (!folder.isWellFormed()) {
      fail(new Error('its name is not valid UTF-8'));
      return;
    }
    // Loaded on demand: most hosts have inotifywait.
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
    // A name that is not UTF-8 arrives with U+FFFD in place of its bytes: the file cannot be found by it.
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
