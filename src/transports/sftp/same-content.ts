import { createHash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import type { SftpClient } from '../../sftp/client.ts';
import { OpenFlag } from '../../sftp/protocol.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { fsPath, showName, TransportError, type ExpectedFile, type Name } from '../../transport.ts';
import { firstDifference, type ReadAt } from './compare.ts';
import { remoteSumsOf } from './remote-sums.ts';
import { sumKey, type RemoteSums } from './sums-by-path.ts';
import { sizeOfOpen } from './seal.ts';
import { describeRefusal } from './server-words.ts';
import type { Session } from './session.ts';
import { toSourceError } from './source.ts';

const FILES_AT_ONCE = 16;
const PIECE_BYTES = 1024 * 1024;

/**
 * The files whose content differs at the destination, or that are gone here. Compares SHA-256 of both ends where the server tells it
 * (sha256@isocket) or the account has a shell; files that differ by that, and all files where there is neither, are read back and compared byte
 * by byte.
 */
export const differentContent = async (
  session: Session,
  files: readonly ExpectedFile[],
  signal: AbortSignal,
): Promise<ExpectedFile[]> => {
  const sums = await remoteSumsOf(session, signal);
  const doubtful = sums === undefined ? files : await differentSums(session, sums, files, signal);
  return filterConcurrently(doubtful, FILES_AT_ONCE, async (file) => {
    signal.throwIfAborted();
    return !(await hasSameBytes(session, file, signal));
  });
};

/** Both ends compute their sums at the same time. */
const differentSums = async (
  { options }: Session,
  sums: RemoteSums,
  files: readonly ExpectedFile[],
  signal: AbortSignal,
): Promise<ExpectedFile[]> => {
  const remotePath = ({ targetPath }: ExpectedFile): string => `${options.path}/${targetPath}`;
  const [remote, local] = await Promise.all([
    sums.read(
      files.map((file) => ({ path: remotePath(file), size: file.size })),
      signal,
    ),
    mapConcurrently(files, 4, (file) => localSum(file, signal)),
  ]);
  return files.filter((file, index) => {
    const sum = local[index];
    return sum === undefined || remote.get(sumKey(remotePath(file))) !== sum;
  });
};

interface OpenSource extends AsyncDisposable {
  readonly read: ReadAt;
}

/**
 * What the disk here refuses is this file's failure: taken for one of the connection it would be tried for ever. undefined: it is gone.
 * @throws TransportError `file`
 */
const openSource = async (file: ExpectedFile): Promise<OpenSource | undefined> => {
  const orOwnFailure = (error: unknown): never => {
    throw toSourceError(error, file);
  };
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(fsPath(file.sourcePath), flags).catch(orOwnFailure);
    const read: ReadAt = (...where) => handle.read(...where).catch(orOwnFailure);
    if ((await handle.stat()).isFile()) return { read, [Symbol.asyncDispose]: () => handle.close() };
    await handle.close();
    return undefined;
  } catch (error) {
    if (error instanceof TransportError && error.class === 'source-changed') return undefined;
    throw error;
  }
};

const localSum = async (file: ExpectedFile, signal: AbortSignal): Promise<string | undefined> => {
  await using source = await openSource(file);
  if (source === undefined) return undefined;
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Number(file.size) + 1));
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(piece, 0, piece.length, null);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(piece.subarray(0, bytesRead));
  }
};

const hasSameBytes = async (session: Session, file: ExpectedFile, signal: AbortSignal): Promise<boolean> => {
  await using source = await openSource(file);
  if (source === undefined) return false;
  const channel = session.channels.leastBusy();
  const path = `${session.options.path}/${file.targetPath}`;
  try {
    return await compare(channel, path, source, Number(file.size), signal);
  } catch (error) {
    throw toReadError(error, session, file);
  }
};

const compare = async (
  channel: SftpClient,
  path: Name,
  source: OpenSource,
  size: number,
  signal: AbortSignal,
): Promise<boolean> => {
  const handle = await channel.open(path, OpenFlag.READ, {});
  try {
    if ((await sizeOfOpen({ channel, handle, temporary: path })) !== size) return false;
    return (await firstDifference(channel, handle, source, { start: 0, end: size }, signal)) === size;
  } finally {
    await channel.close(handle);
  }
};

/** `file` where the account may not read it. */
const toReadError = (error: unknown, { label }: Session, { targetPath }: ExpectedFile): unknown => {
  const refusal = error instanceof SftpStatusError ? describeRefusal(error) : undefined;
  if (refusal === undefined) return error;
  return new TransportError('file', `Cannot read "${showName(targetPath)}" at ${label}: ${refusal.state}`, {
    hint: 'give the account the right to read it there: its content is compared',
    cause: error,
  });
};

/** Calls `use` on each item, `atOnce` at a time; results in the order of the items. */
const mapConcurrently = async <T, R>(
  items: readonly T[],
  atOnce: number,
  use: (item: T) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await use(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return results;
};

const filterConcurrently = async <T>(
  items: readonly T[],
  atOnce: number,
  keep: (item: T) => Promise<boolean>,
): Promise<T[]> => {
  const kept = await mapConcurrently(items, atOnce, keep);
  return items.filter((_, index) => kept[index]);
};
