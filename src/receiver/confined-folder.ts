import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { fsPath, type Name } from '../name.ts';
import { Status } from '../sftp/protocol.ts';
import { parseClientPath } from './client-path.ts';
import { RefusedError } from './refused-error.ts';

/** Names a file without opening it. Node does not export it; the number is Linux's on every architecture Node runs on. */
const O_PATH = 0o10000000;
const OPEN_DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** What `node:fs` takes as a path. */
export type Place = string | Buffer;

/**
 * A folder that no path leads out of.
 *
 * Node has no openat2 and no chroot. So each folder on the way is opened by its name in the one before, never through a
 * symlink, and the last name is used below that descriptor (`/proc/self/fd/N/name`): whatever is renamed or swapped
 * meanwhile, the kernel looks the name up in the very folder that was walked to. Nothing is remembered from one request to
 * the next, so nothing goes stale.
 */
export interface ConfinedFolder extends Disposable {
  /**
   * Runs `act` with the place of a client's path. The place holds during `act` only. Its last name may be a symlink: `act`
   * must use calls that do not follow one (lstat, O_NOFOLLOW, rename, unlink …).
   * @throws RefusedError for a path that is none or goes through a symlink, and the system's error for a missing folder
   */
  readonly at: <T>(path: Buffer, act: (place: Place) => T) => T;
  /** The same for two paths. Names in one folder, as in most renames, are walked to once. */
  readonly atBoth: <T>(first: Buffer, second: Buffer, act: (first: Place, second: Place) => T) => T;
  /**
   * The same for a file or a folder that is there: the place is a descriptor's own name, so every call on it meets that very
   * file, whatever its path leads to meanwhile.
   * @throws RefusedError for symlinks and special files
   */
  readonly atFile: <T>(path: Buffer, act: (place: string) => T) => T;
}

/** @throws the system's error (ENOENT, ENOTDIR, EACCES) where the root is no folder or `/proc` is not there */
export const openConfinedFolder = (root: Name): ConfinedFolder => {
  const rootFd = openSync(fsPath(root), O_PATH | constants.O_DIRECTORY);

  /** Runs `act` with the descriptor of the folder that holds the last of the names. */
  const inParent = <T>(names: readonly Name[], act: (parent: number) => T): T => {
    let folder = rootFd;
    try {
      for (let depth = 0; depth < names.length - 1; depth += 1) {
        const next = openFolder(folder, names[depth]);
        if (folder !== rootFd) closeSync(folder);
        folder = next;
      }
      return act(folder);
    } finally {
      if (folder !== rootFd) closeSync(folder);
    }
  };

  const at = <T>(path: Buffer, act: (place: Place) => T): T => {
    const names = parseClientPath(path);
    return inParent(names, (parent) => act(inFolder(parent, names.at(-1))));
  };

  const atBoth = <T>(first: Buffer, second: Buffer, act: (first: Place, second: Place) => T): T => {
    const [from, to] = [parseClientPath(first), parseClientPath(second)];
    const shared = from.length === to.length && from.slice(0, -1).every((name, depth) => name === to[depth]);
    return inParent(from, (source) => {
      const place = inFolder(source, from.at(-1));
      if (shared) return act(place, inFolder(source, to.at(-1)));
      return inParent(to, (target) => act(place, inFolder(target, to.at(-1))));
    });
  };

  return {
    at,
    atBoth,
    atFile: (path, act) =>
      at(path, (place) => {
        // O_PATH with O_NOFOLLOW opens a symlink itself: fstat then tells.
        const fd = openSync(place, O_PATH | constants.O_NOFOLLOW);
        try {
          assertFileOrFolder(fstatSync(fd));
          return act(`/proc/self/fd/${fd}`);
        } finally {
          closeSync(fd);
        }
      }),
    [Symbol.dispose]: () => closeSync(rootFd),
  };
};

/** @throws RefusedError for symlinks, fifos, sockets and devices: the receiver serves files and folders, nothing else */
export const assertFileOrFolder = (stats: Stats): void => {
  if (!stats.isFile() && !stats.isDirectory()) throw notServed(stats.isSymbolicLink());
};

const notServed = (symlink: boolean): RefusedError =>
  new RefusedError(Status.PERMISSION_DENIED, symlink ? 'symbolic links are not followed' : 'not a file or a folder');

/** No name is the folder itself. */
const inFolder = (fd: number, name: Name = '.'): Place => fsPath(`/proc/self/fd/${fd}/${name}`);

const openFolder = (parent: number, name: Name | undefined): number => {
  const place = inFolder(parent, name);
  try {
    return openSync(place, OPEN_DIRECTORY);
  } catch (error) {
    // The kernel says ENOTDIR for a symlink too, which would read like a missing file.
    if (systemErrorCode(error) === 'ENOTDIR' && lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw notServed(true);
    }
    throw error;
  }
};
