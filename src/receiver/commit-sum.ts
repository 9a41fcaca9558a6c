import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { Packet, Status } from '../sftp/protocol.ts';
import { openFileOrFolder } from './change-rules.ts';
import { clientHasGone } from './file-state.ts';
import { RefusedError } from './refused-error.ts';
import { writeError } from './replies.ts';
import type { RequestContext, RequestHandler } from './request-table.ts';

const PIECE_BYTES = 256 * 1024;

const readAsync = promisify(read);

/** Shared: it is filled and used within one call. */
const smallBuffer = Buffer.allocUnsafeSlow(PIECE_BYTES);

/** Of an open file, from its first byte to its end. */
export interface FileSum {
  readonly size: number;
  readonly sha256: Buffer;
}

/** A small one is read at once: a promise costs more. A big one is given up when the client has gone: a sparse file may take years. */
export const sumOf = (fd: number, isOver: RequestContext['isOver']): FileSum | Promise<FileSum> => {
  if (fstatSync(fd).size >= PIECE_BYTES) return sumOfBig(fd, isOver);
  const length = readSync(fd, smallBuffer, 0, PIECE_BYTES, 0);
  // Less than it takes: all of it, as long as nobody makes it longer meanwhile.
  if (length === PIECE_BYTES) return sumOfBig(fd, isOver);
  return { size: length, sha256: hash('sha256', smallBuffer.subarray(0, length), 'buffer') };
};

const sumOfBig = async (fd: number, isOver: RequestContext['isOver']): Promise<FileSum> => {
  const sum = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let size = 0; ;) {
    if (isOver?.() === true) throw clientHasGone();
    const { bytesRead } = await readAsync(fd, piece, 0, PIECE_BYTES, size);
    if (bytesRead === 0) return { size, sha256: sum.digest() };
    sum.update(piece.subarray(0, bytesRead));
    size += bytesRead;
  }
};

/** sha256@isocket: path → size, SHA-256. The file is read here, now: no sum is kept that could outlive the content. */
export const serveSum: RequestHandler = (context, id, request) => {
  const fd = context.folder.at(request.bytes(), (resolved) => openFileOrFolder(resolved, constants.O_RDONLY, 0));
  let sum: FileSum | Promise<FileSum>;
  try {
    if (!fstatSync(fd).isFile()) throw new RefusedError(Status.FAILURE, 'not a regular file');
    sum = sumOf(fd, context.isOver);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  if (!(sum instanceof Promise)) {
    closeSync(fd);
    writeSum(context, id, sum);
    return undefined;
  }
  const work = sum
    .finally(() => closeSync(fd))
    .then(
      (of) => writeSum(context, id, of),
      (error: unknown) => writeError(context.reply, id, error),
    );
  return putAside(context, work);
};

const writeSum = ({ reply }: RequestContext, id: number, { size, sha256 }: FileSum): void =>
  reply.begin(Packet.EXTENDED_REPLY).u32(id).u64(size).bytes(sha256).end();

/** What a handler returns for work that others need not wait for. */
export const putAside = ({ aside }: RequestContext, work: Promise<void>): Promise<void> | undefined => {
  if (aside === undefined) return work;
  aside(work);
  return undefined;
};
