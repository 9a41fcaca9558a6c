import { hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  futimesSync,
  lstatSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { systemErrorCode } from '../errors.ts';
import { Packet, Status } from '../sftp/protocol.ts';
import { FolderSyncs } from './commit-folder-syncs.ts';
import { readCommit, type CommitRequest } from './commit-request.ts';
import { putAside, sumOf } from './commit-sum.ts';
import { changedMeanwhile, clientHasGone, stateOf } from './file-state.ts';
import { RefusedError } from './refused-error.ts';
import { writeError } from './replies.ts';
import { tellRefusal } from './tell-refusal.ts';
import type { RequestContext, RequestHandler } from './request-table.ts';

const fsyncAsync = promisify(fsync);
const folderSyncs = new FolderSyncs();

/**
 * commit@isocket: a file gets its name when it is whole, with its times, and compared with its SHA-256; with `isDurable` when all of it is on
 * stable storage. The content comes along, or was written under the temporary name. The reply is what has the name then.
 */
export const serveCommit: RequestHandler = (context, id, request) => {
  const wanted = readCommit(request);
  const fd =
    wanted.content === undefined ? openWritten(context, wanted) : writeContent(context, wanted, wanted.content);
  const work = publish(context, id, wanted, fd).catch((error: unknown) => {
    tellRefusal(context.log, error, wanted.path);
    writeError(context.reply, id, error);
  });
  return putAside(context, work);
};

/** @throws the error; the temporary file is removed then */
const writeContent = (context: RequestContext, wanted: CommitRequest, content: Buffer): number => {
  const { temporary, size, sha256 } = wanted;
  // Before anything is written: it is this memory that is written.
  if (content.length !== size || !hash('sha256', content, 'buffer').equals(sha256)) throw otherContent();
  const fd = open(context, temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
  try {
    // A write may be partial, as on a disk that fills up: writing the rest then reports the error.
    for (let done = 0; done < size;) done += writeSync(fd, content, done, size - done, done);
    setAttributes(fd, wanted);
    return fd;
  } catch (error) {
    closeSync(fd);
    removeTemporary(context, wanted);
    throw error;
  }
};

const openWritten = (context: RequestContext, { temporary, size }: CommitRequest): number => {
  const fd = open(context, temporary, constants.O_RDWR);
  const stats = fstatSync(fd);
  if (stats.isFile() && stats.size === size) return fd;
  closeSync(fd);
  throw new RefusedError(Status.FAILURE, `commit: the temporary file has ${stats.size} bytes, not ${size}`);
};

const open = ({ folder, rules }: RequestContext, path: Buffer, flags: number): number =>
  folder.at(path, (resolved) => rules.open(path, resolved, flags, 0o600)).fd;

const setAttributes = (fd: number, { permissions, mtime }: CommitRequest): void => {
  try {
    fchmodSync(fd, permissions);
  } catch (error) {
    // A file system that has no permissions: the reply says what it gives instead.
    if (!NO_PERMISSIONS.has(systemErrorCode(error) ?? '')) throw error;
  }
  futimesSync(fd, mtime, mtime);
};

const NO_PERMISSIONS: ReadonlySet<string> = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS']);

/** From the open temporary file, which it closes, to the reply. */
const publish = async (context: RequestContext, id: number, wanted: CommitRequest, fd: number): Promise<void> => {
  const { folder, rules, log, reply } = context;
  const { temporary, path, isDurable, sha256, content } = wanted;
  try {
    try {
      if (content === undefined) {
        const before = stateOf(fd);
        const sum = await sumOf(fd, context.isOver);
        if (!sum.sha256.equals(sha256)) throw otherContent();
        if (stateOf(fd) !== before) throw changedMeanwhile();
        setAttributes(fd, wanted);
      }
      const compared = stateOf(fd);
      if (isDurable) await fsyncAsync(fd);
      // Later it could take the place of what the client sends on its next connection.
      if (context.isOver?.() === true) throw clientHasGone();
      // That connection may be served already: a line that is dead is noticed late.
      if (stateOf(fd) !== compared || folder.at(temporary, stateOf) !== compared) throw changedMeanwhile();
    } finally {
      closeSync(fd);
    }
    await rules.rename(folder, temporary, path, context.isOver);
  } catch (error) {
    // What was written for long is the client's: it may go on with it, unless it is wrong.
    if (content !== undefined || error instanceof OtherContentError) removeTemporary(context, wanted);
    throw error;
  }
  // Of one that was written before, its CLOSE has told.
  if (content === undefined) log.renamed(temporary, path);
  else log.wrote(path, content.length, 'wrote');
  const { size, mode, mtimeNs } = folder.at(path, (resolved) => lstatSync(resolved, { bigint: true }));
  if (isDurable) await folderSyncs.sync(folder, wanted.folder);
  const mtime = mtimeNs < 0n ? 0n : mtimeNs;
  reply.begin(Packet.EXTENDED_REPLY).u32(id).u64(Number(size)).u32(Number(mode));
  reply
    .u32(Number(mtime / NS_PER_S))
    .u32(Number(mtime % NS_PER_S))
    .bytes(sha256)
    .end();
};

const NS_PER_S = 1_000_000_000n;

class OtherContentError extends RefusedError {}

const otherContent = (): RefusedError =>
  new OtherContentError(Status.FAILURE, 'commit: the content has another SHA-256 than it was sent with');

/** What cannot be removed is found by the client's own tidying: its name is one of the client's. */
const removeTemporary = ({ folder }: RequestContext, { temporary }: CommitRequest): void => {
  try {
    folder.at(temporary, (resolved) => unlinkSync(resolved));
  } catch {
    // The reply says what went wrong first.
  }
};
