import { Status } from '../sftp/protocol.ts';
import { decodeName, type Name } from '../name.ts';
import { RefusedError } from './refused-error.ts';

/** As PATH_MAX. Bounds the walk, which costs at least one system call per component. */
const MAX_PATH_BYTES = 4096;

/**
 * Splits a client's path into the names from the root down, without looking at the disk. "/" is the root, relative paths start
 * there too, and ".." at the root stays there, as in a chroot.
 * @throws RefusedError for a path that contains NUL or is too long
 */
export const parseClientPath = (path: Buffer): readonly Name[] => {
  if (path.length > MAX_PATH_BYTES) throw new RefusedError(Status.BAD_MESSAGE, 'path too long');
  if (path.includes(0)) throw new RefusedError(Status.BAD_MESSAGE, 'path contains NUL');
  const names: Name[] = [];
  for (const name of decodeName(path).split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
};

/** The canonical form of a path: the reply to REALPATH. */
export const showClientPath = (names: readonly Name[]): Name => `/${names.join('/')}`;
