import { closeSync, constants, fstatSync, fsync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import type { Place } from './confined-folder.ts';

const PIECE_BYTES = 256 * 1024;

const readAsync = promisify(read);
const fsyncAsync = promisify(fsync);

/**
 * Whether two files are the same in size, mtime (seconds) and content. Both are opened before the call returns, so the places
 * need not hold any longer. Where they are, the second is on stable storage then: who renames a durable file onto it expects that.
 * @throws the system's error, and rejects with it
 */
export const holdSameContent = (first: Place, second: Place): Promise<boolean> => {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const a = openSync(first, flags);
  let b: number;
  try {
    b = openSync(second, flags);
  } catch (error) {
    closeSync(a);
    throw error;
  }
  return compare(a, b).finally(() => {
    closeSync(a);
    closeSync(b);
  });
};

const compare = async (a: number, b: number): Promise<boolean> => {
  const [one, other] = [fstatSync(a), fstatSync(b)];
  const seconds = (ms: number): number => Math.floor(ms / 1000);
  if (!other.isFile() || one.size !== other.size || seconds(one.mtimeMs) !== seconds(other.mtimeMs)) return false;
  const [left, right] = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)];
  for (let at = 0; at < one.size;) {
    const length = Math.min(PIECE_BYTES, one.size - at);
    const [{ bytesRead }, { bytesRead: alike }] = await Promise.all([
      readAsync(a, left, 0, length, at),
      readAsync(b, right, 0, length, at),
    ]);
    const both = Math.min(bytesRead, alike);
    // Shorter than it was a moment ago: then it is another.
    if (both === 0 || left.compare(right, 0, both, 0, both) !== 0) return false;
    at += both;
  }
  await fsyncAsync(b);
  return true;
};
