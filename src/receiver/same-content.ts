import { closeSync, constants, fstatSync, fsync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import type { ResolvedPath } from './confined-folder.ts';
import { clientHasGone } from './file-state.ts';

const CHUNK_BYTES = 256 * 1024;

const readAsync = promisify(read);
const fsyncAsync = promisify(fsync);

/**
 * Whether two files have the same size, mtime (whole seconds) and content. Both are opened before the call returns, so the paths
 * need not stay valid. If so, the second is fsynced: a client that renames a durable file onto it expects a durable result.
 * @param isOver the client has gone: that is given up
 * @throws the system's error, and rejects with it
 */
export const haveSameContent = (
  first: ResolvedPath,
  second: ResolvedPath,
  isOver?: () => boolean,
): Promise<boolean> => {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const a = openSync(first, flags);
  let b: number;
  try {
    b = openSync(second, flags);
  } catch (error) {
    closeSync(a);
    throw error;
  }
  return compare(a, b, isOver).finally(() => {
    closeSync(a);
    closeSync(b);
  });
};

const compare = async (a: number, b: number, isOver: (() => boolean) | undefined): Promise<boolean> => {
  const [one, other] = [fstatSync(a), fstatSync(b)];
  const seconds = (ms: number): number => Math.floor(ms / 1000);
  if (!other.isFile() || one.size !== other.size || seconds(one.mtimeMs) !== seconds(other.mtimeMs)) return false;
  const [left, right] = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)];
  for (let at = 0; at < one.size;) {
    if (isOver?.() === true) throw clientHasGone();
    const length = Math.min(CHUNK_BYTES, one.size - at);
    const [{ bytesRead }, { bytesRead: alike }] = await Promise.all([
      readAsync(a, left, 0, length, at),
      readAsync(b, right, 0, length, at),
    ]);
    const both = Math.min(bytesRead, alike);
    // Nothing read: a file was truncated since fstat, so they differ.
    if (both === 0 || left.compare(right, 0, both, 0, both) !== 0) return false;
    at += both;
  }
  await fsyncAsync(b);
  return true;
};
