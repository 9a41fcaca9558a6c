import { lstatSync } from 'node:fs';
import { fsPath, type Name } from '../name.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { FileEvent, FolderWatch, OnFileEvent } from './file-events.ts';
import { subFolders } from './sub-folders.ts';

/** A directory with its sub-folders. */
export interface TreeWatch extends FolderWatch {
  /** Watches a sub-folder that a listing found, unless it is watched: its creation event may have been lost. */
  ensureWatched(path: Name): void;
}

export interface TreeOptions {
  readonly isExcluded: IsExcluded;
  /** Starts one watch; undefined at the limit of watches. */
  readonly watchSubFolder: (folder: Name, onEvent: OnFileEvent) => FolderWatch | undefined;
  readonly watchTop: (folder: Name, onEvent: OnFileEvent) => FolderWatch;
}

/**
 * Each folder has its own watch, established before the folder is listed: a recursive source loses files written right after
 * a `mkdir`. A caller that lists the folder of each `rescan` event misses nothing.
 */
export const watchTree = (
  directory: Name,
  { isExcluded, watchSubFolder, watchTop }: TreeOptions,
  onEvent: OnFileEvent,
): TreeWatch => {
  const watched = new Map<Name, { readonly watch: FolderWatch; readonly ino: bigint | undefined }>();
  const closing = new Set<Promise<void>>();
  let isOver = false;

  /** False at the limit of watches: then no `ready` event will request a listing of it. */
  const ensureWatched = (path: Name): boolean => {
    if (isOver || watched.has(path) || isExcluded(path)) return true;
    const ino = inodeOf(`${directory}/${path}`);
    const watch = watchSubFolder(`${directory}/${path}`, (event) => {
      // A late event of a replaced watch is not about the folder that has this name now.
      if (!isOver && watched.get(path)?.watch === watch) onFolderEvent(path, event);
    });
    if (watch !== undefined) watched.set(path, { watch, ino });
    return watch !== undefined;
  };
  const rewatch = (path: Name): void => {
    const known = watched.get(path);
    // Another folder took its name before the first one was reported gone (chokidar never reports it).
    if (known !== undefined && known.ino !== inodeOf(`${directory}/${path}`)) forget(path);
    if (!ensureWatched(path)) onRescan(path, 'ready');
  };

  const onFolderEvent = (folder: Name, event: FileEvent): void => {
    const pathOf = (path: Name): Name => (folder === '' ? path : path === '' ? folder : `${folder}/${path}`);
    if (event.kind === 'gone') {
      if (folder === '') onEvent(event);
      else onGone(folder);
    } else if (event.kind === 'rescan') onRescan(pathOf(event.path), event.why);
    else if (event.kind === 'folder') {
      onEvent({ kind: 'folder', path: pathOf(event.path) });
      rewatch(pathOf(event.path));
    } else if (event.path === undefined) onEvent(event);
    else onEvent({ kind: event.kind, path: pathOf(event.path) });
  };

  const onRescan = (folder: Name, why: Extract<FileEvent, { kind: 'rescan' }>['why']): void => {
    // Watches before the listing: the lost event may be the creation of a sub-folder.
    for (const name of subFolders(`${directory}/${folder}`)) rewatch(folder === '' ? name : `${folder}/${name}`);
    onEvent({ kind: 'rescan', path: folder, why });
  };

  const onGone = (folder: Name): void => {
    forget(folder);
    if (inodeOf(`${directory}/${folder}`) !== undefined) rewatch(folder);
  };

  const forget = (folder: Name): void => {
    for (const path of watched.keys()) if (path === folder || path.startsWith(`${folder}/`)) unwatch(path);
  };

  const unwatch = (path: Name): void => {
    const watch = watched.get(path)?.watch;
    watched.delete(path);
    if (watch === undefined) return;
    const closed = close(watch).finally(() => closing.delete(closed));
    closing.add(closed);
  };

  const top = watchTop(directory, (event) => {
    if (!isOver) onFolderEvent('', event);
  });
  return {
    ready: top.ready,
    get isUp() {
      return top.isUp;
    },
    ensureWatched: (path) => {
      ensureWatched(path);
    },
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      for (const path of watched.keys()) unwatch(path);
      await Promise.all([top[Symbol.asyncDispose](), ...closing]);
    },
  };
};

const close = async (watch: FolderWatch): Promise<void> => {
  await watch[Symbol.asyncDispose]();
};

const inodeOf = (path: Name): bigint | undefined => {
  const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  return stats?.isDirectory() === true ? stats.ino : undefined;
};
