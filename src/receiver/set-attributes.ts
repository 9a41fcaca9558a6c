import {
  chmodSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  statSync,
  truncateSync,
  utimesSync,
  type Stats,
} from 'node:fs';
import { Status, type Attributes } from '../sftp/protocol.ts';
import { RefusedError } from './refused-error.ts';

/** What a client may set: never setuid, setgid or sticky. */
export const CLIENT_BITS = 0o777;

/**
 * Serves SETSTAT and FSETSTAT.
 * @param file a descriptor, or the path of one below `/proc/self/fd`
 * @throws RefusedError before anything is set where another owner or group is asked for: an OK would be a lie
 */
export const setAttributes = (file: number | string, attributes: Attributes): void => {
  const { size, uid, gid, permissions, atime, mtime } = attributes;
  const calls = typeof file === 'number' ? callsOfHandle(file) : callsOfPath(file);
  if (uid !== undefined || gid !== undefined) assertOwner(calls.stat(), uid, gid);
  if (size !== undefined) calls.truncate(size);
  if (permissions !== undefined) calls.chmod((permissions & CLIENT_BITS) | keptBits(calls.stat()));
  if (atime !== undefined && mtime !== undefined) calls.setTimes(atime, mtime);
};

const callsOfHandle = (fd: number) => ({
  stat: (): Stats => fstatSync(fd),
  truncate: (size: number) => ftruncateSync(fd, size),
  chmod: (mode: number) => fchmodSync(fd, mode),
  setTimes: (atime: number, mtime: number) => futimesSync(fd, atime, mtime),
});

const callsOfPath = (path: string) => ({
  stat: (): Stats => statSync(path),
  truncate: (size: number) => truncateSync(path, size),
  chmod: (mode: number) => chmodSync(path, mode),
  setTimes: (atime: number, mtime: number) => utimesSync(path, atime, mtime),
});

const assertOwner = (stats: Stats, uid: number | undefined, gid: number | undefined): void => {
  if (stats.uid === uid && stats.gid === gid) return;
  throw new RefusedError(Status.PERMISSION_DENIED, 'owner and group cannot be changed');
};

/** Of a folder, what its administrator set (setgid: files get the folder's group); of a file, nothing. */
const keptBits = (stats: Stats): number => (stats.isDirectory() ? stats.mode & 0o7000 : 0);
