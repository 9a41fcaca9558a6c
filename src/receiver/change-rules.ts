import { closeSync, constants, fstatSync, openSync, renameSync, type Stats } from 'node:fs';
import { assertFileOrFolder, type ConfinedFolder, type ResolvedPath } from './confined-folder.ts';
import type { OpenHandle } from './handles.ts';

/** What a client may change among the existing files and folders. */
export interface ChangeRules {
  /**
   * Serves OPEN.
   * @param flags of open(2)
   * @throws RefusedError where opening would change a protected file
   */
  readonly open: (path: Buffer, resolved: ResolvedPath, flags: number, mode: number) => OpenHandle;
  /** The path of a file that is open here under another name; undefined: its own. */
  readonly whereIs?: (path: Buffer) => Buffer | undefined;
  /** Nothing that is there may be replaced, but by what `keepVersion` allows. */
  readonly keepsFiles?: true;
  /** Keeps a complete file under another name, and replaces it. undefined: it is not kept. @throws RefusedError, the system's error */
  readonly keepVersion?: <T>(resolved: ResolvedPath, replace: () => T) => T;
  /** Before WRITE and FSETSTAT. @throws RefusedError */
  readonly assertHandle: (handle: OpenHandle) => void;
  /** Before SETSTAT. @throws RefusedError */
  readonly assertFile: (path: Buffer, stats: () => Stats) => void;
  /** Before a name is removed or moved. @throws RefusedError */
  readonly assertName: (path: Buffer, stats: () => Stats) => void;
  /** Before RMDIR, which takes away no folder but an empty one. @throws RefusedError */
  readonly assertFolder: (path: Buffer) => void;
  /**
   * Serves posix-rename. Returns a promise where both files must be compared first, which is given up once `isOver` says so.
   * @throws RefusedError
   */
  readonly rename: (
    folder: ConfinedFolder,
    from: Buffer,
    to: Buffer,
    isOver?: () => boolean,
  ) => Promise<void> | undefined;
}

const allowed = (): void => undefined;

/** Allows everything, as an ordinary SFTP server does. */
export const unrestricted: ChangeRules = {
  open: (_path, resolved, flags, mode) => ({ fd: openFileOrFolder(resolved, flags, mode) }),
  assertHandle: allowed,
  assertFile: allowed,
  assertName: allowed,
  assertFolder: allowed,
  rename: (folder, from, to) => {
    folder.atBoth(from, to, (source, target) => renameSync(source, target));
    return undefined;
  },
};

/**
 * Folders may be opened for reading, too: clients fsync them to make the names in them durable.
 * @throws RefusedError for anything else (fifo, device, …), and the system's error
 */
export const openFileOrFolder = (resolved: ResolvedPath, flags: number, mode: number): number => {
  // O_NONBLOCK: otherwise opening a fifo would block the process until its other end is opened.
  const fd = openSync(resolved, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY, mode);
  try {
    assertFileOrFolder(fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};
