import { LEASED } from '../next-try.ts';
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { errorMessage, isOutOfDescriptors, outOfDescriptors, systemErrorCode } from '../../errors.ts';
import { fsPath, showName, TransportError, isSameFile, type FileIdentity, type OutgoingFile } from '../../transport.ts';

/** A file up to this size is read into one buffer and sent in one burst. */
export const SMALL_FILE_BYTES = 128 * 1024;

// NONBLOCK: opening a fifo that has replaced the file must not wait for its writer.
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

// Without NOATIME the first read of each new file would write its inode again. Only the owner and root may use it.
const NO_ATIME_READ_FLAGS = READ_FLAGS | constants.O_NOATIME;

// Shared by all reads: the content is encoded before the next file is read.
const scratch = Buffer.allocUnsafeSlow(SMALL_FILE_BYTES);

/**
 * Reads a whole small file. Synchronous: a promise for each call costs four times the CPU time of the read itself.
 * The returned buffer is valid until the next call. One fstat after the read is enough: any earlier change moved the ctime.
 * @throws TransportError `source-changed` if it is not the file that was to be sent, `file` if it cannot be read
 */
export const readSmallFile = (file: OutgoingFile): Buffer => {
  let descriptor: number | undefined;
  try {
    descriptor = openWithoutAtime(fsPath(file.sourcePath));
    const size = Number(file.identity.size);
    let length = 0;
    while (length < size) {
      const read = readSync(descriptor, scratch, length, size - length, null);
      if (read === 0) throw sourceChanged(file);
      length += read;
    }
    checkUnchanged(file, fstatSync(descriptor, { bigint: true }));
    return scratch.subarray(0, size);
  } catch (error) {
    // A folder or fifo that has replaced the file fails to read, too: that is a change, not a failure of the disk.
    if (descriptor !== undefined && systemErrorCode(error) !== undefined)
      checkUnchanged(file, fstatSync(descriptor, { bigint: true }));
    throw toSourceError(error, file);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
};

const openWithoutAtime = (path: string | Buffer): number => {
  try {
    return openSync(path, NO_ATIME_READ_FLAGS);
  } catch (error) {
    if (systemErrorCode(error) !== 'EPERM') throw error;
    return openSync(path, READ_FLAGS);
  }
};

/** Opens a file to read it in chunks; call `checkUnchanged` again after the last one. */
export const openSource = async (file: OutgoingFile): Promise<FileHandle> => {
  try {
    const path = fsPath(file.sourcePath);
    const handle = await open(path, NO_ATIME_READ_FLAGS).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'EPERM') throw error;
      return open(path, READ_FLAGS);
    });
    try {
      checkUnchanged(file, await handle.stat({ bigint: true }));
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw toSourceError(error, file);
  }
};

export const sourceChanged = (file: Pick<OutgoingFile, 'sourcePath'>): TransportError =>
  new TransportError('source-changed', `Did not send "${showName(file.sourcePath)}": it changed while it was sent`);

export const checkUnchanged = (file: OutgoingFile, now: FileIdentity): void => {
  if (!isSameFile(now, file.identity)) throw sourceChanged(file);
};

const CURES = new Map([
  ['EACCES', 'let the user that runs isocket read it'],
  ['EAGAIN', LEASED],
]);

export const toSourceError = (error: unknown, file: Pick<OutgoingFile, 'sourcePath'>): unknown => {
  const code = systemErrorCode(error);
  if (code === undefined || error instanceof TransportError) return error;
  if (isOutOfDescriptors(error)) return outOfDescriptors(`read "${showName(file.sourcePath)}"`, error);
  if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR') return sourceChanged(file);
  return new TransportError('file', `Cannot read "${showName(file.sourcePath)}": ${errorMessage(error)}`, {
    hint: CURES.get(code) ?? 'check the disk for errors',
    cause: error,
  });
};

/** Fills the chunk. */
export const readChunk = async (
  source: FileHandle,
  file: OutgoingFile,
  offset: number,
  chunk: Buffer,
): Promise<Buffer> => {
  let filled = 0;
  while (filled < chunk.length) {
    const { bytesRead } = await source.read(chunk, filled, chunk.length - filled, offset + filled);
    if (bytesRead === 0) throw sourceChanged(file); // It was truncated.
    filled += bytesRead;
  }
  return chunk;
};

const SUM_PIECE_BYTES = 1024 * 1024;

/** SHA-256 of the whole; call `checkUnchanged` afterwards. */
export const sumOfSource = async (source: FileHandle, file: OutgoingFile, signal: AbortSignal): Promise<Buffer> => {
  const size = Number(file.identity.size);
  const sum = createHash('sha256');
  const piece = Buffer.allocUnsafe(Math.min(SUM_PIECE_BYTES, size));
  for (let offset = 0; offset < size; offset += piece.length) {
    signal.throwIfAborted();
    sum.update(await readChunk(source, file, offset, piece.subarray(0, size - offset)));
  }
  return sum.digest();
};
