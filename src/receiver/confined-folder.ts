import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { fsPath, type Name } from '../name.ts';
import { Status } from '../sftp/protocol.ts';
import { parseClientPath } from './client-path.ts';
import { RefusedError } from './refused-error.ts';

/** Refers to a file without opening it. Node does not export the constant; its value is the same on every Linux architecture that Node supports. */
const O_PATH = 0o10000000;
const OPEN_DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** A client's path made safe: what `node:fs` takes as a path, valid only inside the callback that gets it. */
export type ResolvedPath = string | Buffer;

/**
 * A folder that no client path can escape.
 *
 * Node has neither openat2 nor chroot. So each folder along the path is opened by its name in its parent, never through a
 * symlink, and the last name is resolved below that descriptor (`/proc/self/fd/N/name`): even if folders are renamed or
 * swapped meanwhile, the kernel looks the name up in the folder that was opened. Nothing is cached between requests.
 */
export interface ConfinedFolder extends Disposable {
  /**
   * Runs `act` with the resolved path, which is valid during `act` only. Its last name may be a symlink: `act` must use calls
   * that do not follow one (lstat, O_NOFOLLOW, rename, unlink …).
   * @throws RefusedError for an invalid path or one that leads through a symlink, and the system's error for a missing folder
   */
  readonly at: <T>(path: Buffer, act: (resolved: ResolvedPath) => T) => T;
  /** As `at`, for two paths. Where both are in one folder, as in most renames, it is opened once. */
  readonly atBoth: <T>(first: Buffer, second: Buffer, act: (first: ResolvedPath, second: ResolvedPath) => T) => T;
  /**
   * As `at`, for an existing file or folder: the resolved path is that of a descriptor, so every call on it reaches the same
   * file, even if the client's path leads elsewhere meanwhile.
   * @throws RefusedError for symlinks and special files
   */
  readonly atFile: <T>(path: Buffer, act: (resolved: string) => T) => T;
}

/**
 * @param below a folder below the root, which is then the one that cannot be escaped. It is reached through no link.
 * @throws the system's error (ENOENT, ENOTDIR, EACCES) where it is not a folder; RefusedError for one behind a link
 */
export const openConfinedFolder = (root: Name, below: readonly Name[] = []): ConfinedFolder => {
  let rootFd = openSync(fsPath(root), O_PATH | constants.O_DIRECTORY);
  for (const name of below) {
    const outer = rootFd;
    try {
      rootFd = openFolder(outer, name);
    } finally {
      closeSync(outer);
    }
  }

  /** Runs `act` with the descriptor of the folder that contains the last of the names. */
  const withParent = <T>(names: readonly Name[], act: (parent: number) => T): T => {
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

  const at = <T>(path: Buffer, act: (resolved: ResolvedPath) => T): T => {
    const names = parseClientPath(path);
    return withParent(names, (parent) => act(pathBelow(parent, names.at(-1))));
  };

  const atBoth = <T>(first: Buffer, second: Buffer, act: (first: ResolvedPath, second: ResolvedPath) => T): T => {
    const [from, to] = [parseClientPath(first), parseClientPath(second)];
    const shared = from.length === to.length && from.slice(0, -1).every((name, depth) => name === to[depth]);
    return withParent(from, (source) => {
      const resolved = pathBelow(source, from.at(-1));
      if (shared) return act(resolved, pathBelow(source, to.at(-1)));
      return withParent(to, (target) => act(resolved, pathBelow(target, to.at(-1))));
    });
  };

  return {
    at,
    atBoth,
    atFile: (path, act) =>
      at(path, (resolved) => {
        // O_PATH with O_NOFOLLOW opens a symlink itself, which fstat then reveals.
        const fd = openSync(resolved, O_PATH | constants.O_NOFOLLOW);
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

/** @throws RefusedError for symlinks, fifos, sockets and devices: the receiver serves files and folders only */
export const assertFileOrFolder = (stats: Stats): void => {
  if (!stats.isFile() && !stats.isDirectory()) throw notServed(stats.isSymbolicLink());
};

const notServed = (symlink: boolean): RefusedError =>
  new RefusedError(Status.PERMISSION_DENIED, symlink ? 'symbolic links are not followed' : 'not a file or a folder');

/** Without a name: the folder itself. */
const pathBelow = (fd: number, name: Name = '.'): ResolvedPath => fsPath(`/proc/self/fd/${fd}/${name}`);

const openFolder = (parent: number, name: Name | undefined): number => {
  const resolved = pathBelow(parent, name);
  try {
    return openSync(resolved, OPEN_DIRECTORY);
  } catch (error) {
    // The kernel reports ENOTDIR for a symlink, too, which the client would see as a missing file.
    if (systemErrorCode(error) === 'ENOTDIR' && lstatSync(resolved, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw notServed(true);
    }
    throw error;
  }
};
