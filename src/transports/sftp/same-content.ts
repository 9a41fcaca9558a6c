import { createHash } from 'node:crypto';
import { constants, open, type FileHandle } from 'node:fs/promises';
import { OpenFlag } from '../../sftp/protocol.ts';
import { fsPath, type ExpectedFile } from '../../transport.ts';
import { firstDifference } from './compare.ts';
import { findRemoteSums, sumKey, type RemoteSums } from './remote-sums.ts';
import type { Session } from './session.ts';

const FILES_AT_ONCE = 16;
const PIECE_BYTES = 1024 * 1024;

// Looked for once a connection.
const sumsOf = new WeakMap<Session, Promise<RemoteSums | undefined>>();

/**
 * Which of these files hold another content at the destination. By SHA-256 of both ends where the account allows a shell; what
 * is not equal by that, and everything where there is none, is read back and compared byte for byte.
 */
export const differentContent = async (
  session: Session,
  files: readonly ExpectedFile[],
  signal: AbortSignal,
): Promise<ExpectedFile[]> => {
  const known = sumsOf.get(session) ?? findRemoteSums(session.channels, signal);
  sumsOf.set(session, known);
  known.catch(() => sumsOf.delete(session));
  const sums = await known;
  const doubtful = sums === undefined ? files : await differentSums(session, sums, files, signal);
  return filter(doubtful, FILES_AT_ONCE, async (file) => {
    signal.throwIfAborted();
    return !(await hasSameBytes(session, file));
  });
};

/** Both ends read at the same time. */
const differentSums = async (
  { options }: Session,
  sums: RemoteSums,
  files: readonly ExpectedFile[],
  signal: AbortSignal,
): Promise<ExpectedFile[]> => {
  const remotePath = ({ targetPath }: ExpectedFile): string => `${options.path}/${targetPath}`;
  const [theirs, ours] = await Promise.all([
    sums.read(files.map(remotePath), signal),
    inTurns(files, 4, (file) => localSum(file, signal)),
  ]);
  return files.filter((file, index) => theirs.get(sumKey(remotePath(file))) !== ours[index]);
};

const openSource = (file: ExpectedFile): Promise<FileHandle> =>
  open(fsPath(file.sourcePath), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);

const localSum = async (file: ExpectedFile, signal: AbortSignal): Promise<string> => {
  await using source = await openSource(file);
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Number(file.size) + 1));
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(piece, 0, piece.length, null);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(piece.subarray(0, bytesRead));
  }
};

const hasSameBytes = async ({ channels, options }: Session, file: ExpectedFile): Promise<boolean> => {
  await using source = await openSource(file);
  const channel = channels.least();
  const handle = await channel.open(`${options.path}/${file.targetPath}`, OpenFlag.READ, {});
  try {
    const size = Number(file.size);
    const { size: there } = await channel.fstat(handle);
    return there === size && (await firstDifference(channel, handle, source, 0, size)) === size;
  } finally {
    await channel.close(handle);
  }
};

/** `use` on each, so many at once; results in the order of the items. */
const inTurns = async <T, R>(items: readonly T[], atOnce: number, use: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await use(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return results;
};

const filter = async <T>(items: readonly T[], atOnce: number, keep: (item: T) => Promise<boolean>): Promise<T[]> => {
  const kept = await inTurns(items, atOnce, keep);
  return items.filter((_, index) => kept[index]);
};
