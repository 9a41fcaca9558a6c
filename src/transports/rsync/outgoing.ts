import { closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs';
import { errorMessage, isOutOfDescriptors, outOfDescriptors, systemErrorCode } from '../../errors.ts';
import { fsPath, isSameFile, showName, TransportError, type OutgoingFile } from '../../transport.ts';

/** A source file kept open while rsync sends it: rsync reads the inode that was checked, whatever happens to its name. */
export interface HeldSource extends Disposable {
  /** A path to the open descriptor. */
  readonly link: string;
  /** @throws TransportError `source-changed` */
  checkUnchanged(): void;
}

// NONBLOCK: opening a fifo put in the file's place must not wait for its writer.
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws TransportError `source-changed` where it is not the file that was listed, `file` where it cannot be read */
export const holdSource = (file: OutgoingFile): HeldSource => {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(fsPath(file.sourcePath), READ_FLAGS);
    if (!isSameFile(fstatSync(descriptor, { bigint: true }), file.identity)) throw sourceChanged(file);
    const open = descriptor;
    return {
      link: `/proc/${process.pid}/fd/${open}`,
      checkUnchanged: () => {
        const now = lstatSync(fsPath(file.sourcePath), { bigint: true, throwIfNoEntry: false });
        // isSameFile compares the inode too: the path is still the open descriptor's file.
        if (now === undefined || !isSameFile(now, file.identity)) throw sourceChanged(file);
      },
      [Symbol.dispose]: () => closeSync(open),
    };
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw toSourceError(error, file);
  }
};

const sourceChanged = (file: OutgoingFile): TransportError =>
  new TransportError('source-changed', `Did not send "${showName(file.sourcePath)}": it changed while it was sent`);

const toSourceError = (error: unknown, file: OutgoingFile): unknown => {
  const code = systemErrorCode(error);
  if (code === undefined || error instanceof TransportError) return error;
  if (isOutOfDescriptors(error)) return outOfDescriptors(`read "${showName(file.sourcePath)}"`, error);
  if (code === 'ENOENT' || code === 'ELOOP') return sourceChanged(file);
  return new TransportError('file', `Cannot read "${showName(file.sourcePath)}": ${errorMessage(error)}`, {
    hint: code === 'EACCES' ? 'let the user that runs isocket read it' : 'check the disk',
    cause: error,
  });
};
