import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { errorMessage, systemErrorCode } from '../../errors.ts';
import { fsPath, showName, TransportError, isSameFile, type FileIdentity, type OutgoingFile } from '../../transport.ts';

// NONBLOCK: a fifo that was put in the file's place must not make us wait for its writer.
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads a whole small file in one go. Synchronous: a promise a call costs four times the processor time of the read itself.
 * @throws TransportError `source-changed` where it is not what was decided to be sent, `file` where it cannot be read
 */
export const readSmallFile = (file: OutgoingFile): Buffer => {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(fsPath(file.sourcePath), READ_FLAGS);
    checkUnchanged(file, fstatSync(descriptor, { bigint: true }));
    const size = Number(file.identity.size);
    const content = Buffer.allocUnsafe(size);
    let length = 0;
    while (length < size) {
      const read = readSync(descriptor, content, length, size - length, null);
      if (read === 0) throw sourceChanged(file);
      length += read;
    }
    checkUnchanged(file, fstatSync(descriptor, { bigint: true }));
    return content;
  } catch (error) {
    throw toSourceError(error, file);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
};

/** Opens a file to read it in pieces; `checkUnchanged` again after the last one. */
export const openSource = async (file: OutgoingFile): Promise<FileHandle> => {
  try {
    const handle = await open(fsPath(file.sourcePath), READ_FLAGS);
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
