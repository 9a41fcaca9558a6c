import { Status } from '../sftp/protocol.ts';
import { decodeName, type Name } from '../name.ts';
import { RefusedError } from './refused-error.ts';

/** As PATH_MAX: the walk costs a system call a component, so a client may not ask for any number of them. */
const MAX_PATH_BYTES = 4096;

/**
 * A client's path → the names from the root down, by its letters alone. "/" is the root, a relative path starts there too,
 * and ".." at the root stays at the root, as in a chroot.
 * @throws RefusedError where it holds a NUL or is too long
 */
export const parseClientPath = (path: Buffer): readonly Name[] => {
  if (path.length > MAX_PATH_BYTES) throw new RefusedError(Status.BAD_MESSAGE, 'path too long');
  if (path.includes(0)) throw new RefusedError(Status.BAD_MESSAGE, 'a path may not hold NUL');
  const names: Name[] = [];
  for (const name of decodeName(path).split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
};

/** The one way to write the path: what REALPATH answers. */
export const showClientPath = (names: readonly Name[]): Name => `/${names.join('/')}`;
