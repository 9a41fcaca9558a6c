import { closeSync, constants, fstatSync, openSync, renameSync, type Stats } from 'node:fs';
import { assertFileOrFolder, type ConfinedFolder, type Place } from './confined-folder.ts';
import type { OpenHandle } from './handles.ts';

/** What a client may change of what is there. */
export interface ChangeRules {
  /**
   * Serves OPEN.
   * @param flags of open(2)
   * @throws RefusedError where opening alone would change something that must stay
   */
  readonly open: (path: Buffer, place: Place, flags: number, mode: number) => OpenHandle;
  /** Before WRITE and FSETSTAT. @throws RefusedError */
  readonly assertHandle: (handle: OpenHandle) => void;
  /** Before SETSTAT. @throws RefusedError */
  readonly assertFile: (path: Buffer, stats: () => Stats) => void;
  /** Before a name is taken away or moved. @throws RefusedError */
  readonly assertName: (path: Buffer, stats: () => Stats) => void;
  /** Serves posix-rename. A promise means that the content of both is read first. @throws RefusedError */
  readonly rename: (folder: ConfinedFolder, from: Buffer, to: Buffer) => Promise<void> | undefined;
}

const allowed = (): void => undefined;

/** Everything, as any SFTP server. */
export const changeAnything: ChangeRules = {
  open: (_path, place, flags, mode) => ({ fd: openFileOrFolder(place, flags, mode) }),
  assertHandle: allowed,
  assertFile: allowed,
  assertName: allowed,
  rename: (folder, from, to) => {
    folder.atBoth(from, to, (source, target) => renameSync(source, target));
    return undefined;
  },
};

/**
 * A folder may be opened for reading: clients sync it so, to make the names in it durable.
 * @throws RefusedError for what is neither file nor folder, and the system's error
 */
export const openFileOrFolder = (place: Place, flags: number, mode: number): number => {
  // O_NONBLOCK: opening a fifo would wait for its other end, and this process with it.
  const fd = openSync(place, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY, mode);
  try {
    assertFileOrFolder(fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};
