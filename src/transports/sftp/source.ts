import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { errorMessage, systemErrorCode } from '../../errors.ts';
import { fsPath, showName, TransportError, isSameFile, type FileIdentity, type OutgoingFile } from '../../transport.ts';

/** Up to here a file is read in one go and sent in one burst. */
export const SMALL_FILE_BYTES = 128 * 1024;

// NONBLOCK: a fifo that was put in the file's place must not make us wait for its writer.
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

// Else each first read would have the disk write the inode once more. Only the owner and root may ask for it.
const QUIET_READ_FLAGS = READ_FLAGS | constants.O_NOATIME;

// One for all: what is read is encoded before the next file is.
const scratch = Buffer.allocUnsafeSlow(SMALL_FILE_BYTES);

/**
 * Reads a whole small file in one go. Synchronous: a promise a call costs four times the processor time of the read itself.
 * The content is the caller's until the next call. One look at the descriptor after the read is enough: whatever touched the
 * file before moved its ctime.
 * @throws TransportError `source-changed` where it is not what was decided to be sent, `file` where it cannot be read
 */
export const readSmallFile = (file: OutgoingFile): Buffer => {
  let descriptor: number | undefined;
  try {
    descriptor = openQuietly(fsPath(file.sourcePath));
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
    // Another thing in the file's place (a folder, a fifo) cannot be read either: that is a change, not trouble with the disk.
    if (descriptor !== undefined && systemErrorCode(error) !== undefined)
      checkUnchanged(file, fstatSync(descriptor, { bigint: true }));
    throw toSourceError(error, file);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
};

const openQuietly = (path: string | Buffer): number => {
  try {
    return openSync(path, QUIET_READ_FLAGS);
  } catch (error) {
    if (systemErrorCode(error) !== 'EPERM') throw error;
    return openSync(path, READ_FLAGS);
  }
};

/** Opens a file to read it in pieces; `checkUnchanged` again after the last one. */
export const openSource = async (file: OutgoingFile): Promise<FileHandle> => {
  try {
    const path = fsPath(file.sourcePath);
    const handle = await open(path, QUIET_READ_FLAGS).catch((error: unknown) => {
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

export const sourceChanged = (file: OutgoingFile): TransportError =>
  new TransportError('source-changed', `Did not send "${showName(file.sourcePath)}": it changed while it was sent`);

export const checkUnchanged = (file: OutgoingFile, now: FileIdentity): void => {
  if (!isSameFile(now, file.identity)) throw sourceChanged(file);
};

export const toSourceError = (error: unknown, file: OutgoingFile): unknown => {
  const code = systemErrorCode(error);
  if (code === undefined || error instanceof TransportError) return error;
  if (code === 'ENOENT' || code === 'ELOOP') return sourceChanged(file);
  return new TransportError('file', `Cannot read "${showName(file.sourcePath)}": ${errorMessage(error)}`, {
    hint: code === 'EACCES' ? 'let the user that runs isocket read it' : 'see that the disk is well',
    cause: error,
  });
};
