import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { Status } from '../sftp/protocol.ts';
import type { ResolvedPath } from './confined-folder.ts';
import { RefusedError } from './refused-error.ts';

/** EPERM: FAT, and files of other users (fs.protected_hardlinks). */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EMLINK']);

/** Gives a file a second name, which is free. False where that cannot be had: on a file system without hard links, for one. */
export const linkIfPossible = (file: ResolvedPath, name: ResolvedPath): boolean => {
  try {
    linkSync(file, name);
    return true;
  } catch (error) {
    if (NO_LINKS.has(systemErrorCode(error) ?? '')) return false;
    throw error;
  }
};

/**
 * Moves a file to a name that is free. Where there are no hard links only programs beside this one could use it meanwhile.
 * @throws RefusedError or the system's error where it is not free
 */
export const moveIfFree = (source: ResolvedPath, target: ResolvedPath): void => {
  if (linkIfPossible(source, target)) unlinkSync(source);
  else {
    if (lstatSync(target, { throwIfNoEntry: false })) throw alreadyThere();
    renameSync(source, target);
  }
};

export const alreadyThere = (): RefusedError => new RefusedError(Status.FAILURE, 'file already exists');
