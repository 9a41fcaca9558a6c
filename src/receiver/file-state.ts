import { fstatSync, lstatSync } from 'node:fs';
import { Status } from '../sftp/protocol.ts';
import type { ResolvedPath } from './confined-folder.ts';
import { RefusedError } from './refused-error.ts';

/** Which file it is, and when it was written last. Not its ctime: that of a network file system may come late. */
export const stateOf = (file: number | ResolvedPath): string => {
  const { dev, ino, size, mtimeNs } =
    typeof file === 'number' ? fstatSync(file, { bigint: true }) : lstatSync(file, { bigint: true });
  return [dev, ino, size, mtimeNs].join(':');
};

export const changedMeanwhile = (): RefusedError =>
  new RefusedError(Status.FAILURE, 'the temporary file was changed meanwhile');

export const clientHasGone = (): RefusedError => new RefusedError(Status.FAILURE, 'the client has gone');
