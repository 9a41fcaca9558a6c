import { closeSync, constants, lstatSync, openSync, type BigIntStats } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { fsPath, type Name } from '../name.ts';

export const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens a folder below `root` ("DC1/sub") one name at a time, never through a symbolic link: O_NOFOLLOW alone guards the last
 * name of a path only, and whoever may write a folder may swap any other for a link while we work. What is then named below the
 * descriptor (`entryOf`) is in that folder, whatever becomes of its path.
 * @throws system errors; ELOOP or ENOTDIR where a link or a file is in the way
 */
export const openFolderBeneath = (root: Name, path: Name): number => {
  let descriptor = openSync(fsPath(root), FOLDER);
  for (const name of path === '' ? [] : path.split('/')) {
    const above = descriptor;
    try {
      descriptor = openSync(fsPath(pathAt(above, name)), FOLDER);
    } finally {
      closeSync(above);
    }
  }
  return descriptor;
};

/** The path of a name in an open folder. */
export const pathAt = (folder: number, name: Name): Name => `/proc/self/fd/${folder}/${name}`;

/** Runs `use` on the open folder. */
export const inFolder = <T>(root: Name, path: Name, use: (folder: number) => T): T => {
  const folder = openFolderBeneath(root, path);
  try {
    return use(folder);
  } finally {
    closeSync(folder);
  }
};

export const splitPath = (path: Name): { readonly folder: Name; readonly name: Name } => {
  const slash = path.lastIndexOf('/');
  return { folder: slash === -1 ? '' : path.slice(0, slash), name: path.slice(slash + 1) };
};

/** Looks at files below a root without following a link on the way to them. */
export interface FilesBeneath {
  /** undefined where it is not there, or not below the root any more. */
  stat(path: Name): BigIntStats | undefined;
}

/** The folder of the last file stays open for the rest of the turn of the event loop: files come folder by folder. */
export const createFilesBeneath = (root: Name): FilesBeneath => {
  let last: { readonly path: Name; readonly descriptor: number } | undefined;
  const close = (): void => {
    if (last !== undefined) closeSync(last.descriptor);
    last = undefined;
  };
  const open = (path: Name): number => {
    if (last?.path === path) return last.descriptor;
    const isScheduled = last !== undefined;
    close();
    last = { path, descriptor: openFolderBeneath(root, path) };
    if (!isScheduled) setImmediate(close);
    return last.descriptor;
  };
  return {
    stat: (path) => {
      const { folder, name } = splitPath(path);
      try {
        return lstatSync(fsPath(pathAt(open(folder), name)), { bigint: true, throwIfNoEntry: false });
      } catch (error) {
        if (NOT_THERE.has(systemErrorCode(error) ?? '')) return undefined;
        throw error;
      }
    },
  };
};

const NOT_THERE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);
