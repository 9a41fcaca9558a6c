import { lstatSync } from 'node:fs';
import { fsPath, type Name } from '../name.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { FileEvent, FolderWatch, OnFileEvent } from './file-events.ts';
import { subFolders } from './sub-folders.ts';

/** A directory with its sub-folders. */
export interface TreeWatch extends FolderWatch {
  /** A listing met this sub-folder: it is watched from now on, if it was not. For what the events did not tell. */
  see(path: Name): void;
}

export interface TreeOptions {
  readonly isExcluded: IsExcluded;
  /** Starts one watch; undefined where there are enough of them. */
  readonly watchSubFolder: (folder: Name, onEvent: OnFileEvent) => FolderWatch | undefined;
  readonly watchTop: (folder: Name, onEvent: OnFileEvent) => FolderWatch;
}

/**
 * Each folder has a watch of its own, established before the folder is listed: a recursive source loses what is written
 * right after a `mkdir`. So whoever acts on `rescan` (its path is the folder to list) misses nothing.
 */
export const watchTree = (
  directory: Name,
  { isExcluded, watchSubFolder, watchTop }: TreeOptions,
  onEvent: OnFileEvent,
): TreeWatch => {
  const watched = new Map<Name, { readonly watch: FolderWatch; readonly ino: bigint | undefined }>();
  const closing = new Set<Promise<void>>();
  let isOver = false;

  /** False where there are enough watches: then nobody will ask for a listing of it. */
  const see = (path: Name): boolean => {
    if (isOver || watched.has(path) || isExcluded(path)) return true;
    const ino = inodeOf(`${directory}/${path}`);
    const watch = watchSubFolder(`${directory}/${path}`, (event) => {
      // What it still says after it was given up is not of the folder that has its name now.
      if (!isOver && watched.get(path)?.watch === watch) hear(path, event);
    });
    if (watch !== undefined) watched.set(path, { watch, ino });
    return watch !== undefined;
  };
  const meet = (path: Name): void => {
    const known = watched.get(path);
    // Another one moved to its place, before we heard that the first one went (chokidar never tells).
    if (known !== undefined && known.ino !== inodeOf(`${directory}/${path}`)) forget(path);
    if (!see(path)) onRescan(path, 'ready');
  };

  const hear = (folder: Name, event: FileEvent): void => {
    const pathOf = (path: Name): Name => (folder === '' ? path : path === '' ? folder : `${folder}/${path}`);
    if (event.kind === 'gone') {
      if (folder === '') onEvent(event);
      else onGone(folder);
    } else if (event.kind === 'rescan') onRescan(pathOf(event.path), event.why);
    else if (event.kind === 'folder') {
      onEvent({ kind: 'folder', path: pathOf(event.path) });
      meet(pathOf(event.path));
    } else if (event.path === undefined) onEvent(event);
    else onEvent({ kind: event.kind, path: pathOf(event.path) });
  };

  const onRescan = (folder: Name, why: Extract<FileEvent, { kind: 'rescan' }>['why']): void => {
    // First the watches, then the listing; the making of a sub-folder may be what was lost.
    for (const name of subFolders(`${directory}/${folder}`)) meet(folder === '' ? name : `${folder}/${name}`);
    onEvent({ kind: 'rescan', path: folder, why });
  };

  const onGone = (folder: Name): void => {
    forget(folder);
    if (inodeOf(`${directory}/${folder}`) !== undefined) meet(folder);
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
    if (!isOver) hear('', event);
  });
  return {
    ready: top.ready,
    get isUp() {
      return top.isUp;
    },
    see: (path) => {
      see(path);
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
