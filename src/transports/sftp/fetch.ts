import type { SftpClient } from '../../sftp/client.ts';
import { OpenFlag, Status, type Attributes } from '../../sftp/protocol.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { showName, TransportError, type FetchOptions, type FetchedFile, type IncomingFile } from '../../transport.ts';
import { FetchContent } from './fetch-content.ts';
import { describeRefusal } from './server-words.ts';
import { REQUEST_OVERHEAD_BYTES, type Session } from './session.ts';

/** A file up to this size is asked for in one READ. Servers that give less at once are asked for the rest. */
const SMALL_BYTES = 32_000;
const MEDIUM_BYTES = 1024 * 1024;
const MEDIUM_AT_ONCE = 16;
/** Each has up to some megabytes in flight by itself; more side by side leave more that is half when the line is lost. */
const BIG_AT_ONCE = 2;

/**
 * Brings files back, small ones by the hundred: OPEN, then READ, FSTAT and CLOSE in one go. FSTAT comes after the last byte, so that what
 * it tells is of a file that was not touched while it was read, or else shows that.
 */
export const fetchFiles = async (
  session: Session,
  files: Iterable<IncomingFile>,
  fetched: FetchOptions['fetched'],
  signal: AbortSignal,
): Promise<void> => {
  const small: IncomingFile[] = [];
  const medium: IncomingFile[] = [];
  const big: IncomingFile[] = [];
  for (const file of files) {
    if (file.size <= SMALL_BYTES && file.offset === 0) small.push(file);
    else if (file.size <= MEDIUM_BYTES) medium.push(file);
    else big.push(file);
  }
  await Promise.all([
    inTurns(small, session.sendsAtOnce, (file) => fetchOne(session, file, fetchSmall, fetched, signal)),
    inTurns(medium, MEDIUM_AT_ONCE, (file) => fetchOne(session, file, fetchBig, fetched, signal)),
    inTurns(big, BIG_AT_ONCE, (file) => fetchOne(session, file, fetchBig, fetched, signal)),
  ]);
};

const inTurns = async <T>(items: readonly T[], atOnce: number, use: (item: T) => Promise<void>): Promise<void> => {
  let next = 0;
  let isOver = false;
  const work = async (): Promise<void> => {
    try {
      while (!isOver && next < items.length) await use(items[next++] as T);
    } catch (error) {
      isOver = true;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
};

type FetchFile = (
  session: Session,
  channel: SftpClient,
  file: IncomingFile,
  signal: AbortSignal,
) => Promise<FetchedFile>;

/** Tells what becomes of it, where the server refused this one file: else the connection is at fault, or isocket's own side. */
const fetchOne = async (
  session: Session,
  file: IncomingFile,
  fetch: FetchFile,
  fetched: FetchOptions['fetched'],
  signal: AbortSignal,
): Promise<void> => {
  signal.throwIfAborted();
  const channel = session.channels.leastBusy();
  let end: FetchedFile | TransportError;
  try {
    end = await fetch(session, channel, file, signal);
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    end = fileError(session, file, error);
  }
  fetched(file, end);
};

const fileError = ({ label }: Session, { targetPath }: IncomingFile, error: SftpStatusError): TransportError => {
  const isGone = error.status === Status.NO_SUCH_FILE;
  const { state, hint } = describeRefusal(error) ?? {
    state: isGone ? 'it is no longer there' : error.message,
    hint: isGone ? 'see what removes files there' : 'see the server’s log for the reason',
  };
  const message = `Cannot read "${showName(targetPath)}" at ${label}: ${state}`;
  return new TransportError('file', message, { hint, cause: error });
};

const pathOf = ({ options }: Session, { targetPath }: IncomingFile): string => `${options.path}/${targetPath}`;

const fetchSmall: FetchFile = async (session, channel, file, signal) => {
  const { size } = file;
  const delay = session.rateLimit(size, signal);
  if (delay !== undefined) await delay;
  const acquired = session.content.acquire(size + REQUEST_OVERHEAD_BYTES);
  if (acquired !== undefined) await acquired;
  let attributes: Attributes;
  try {
    // A server that works at requests side by side could close it before it is read.
    attributes = await (session.habits.isStepwise(channel) ? readInSteps : readAtOnce)(session, channel, file);
  } finally {
    session.content.release(size + REQUEST_OVERHEAD_BYTES);
  }
  // A server may give less at once than it was asked for.
  return file.offset < size && attributes.size === size
    ? await fetchBig(session, channel, file, signal)
    : foundAs(attributes);
};

const readAtOnce = async (session: Session, channel: SftpClient, file: IncomingFile): Promise<Attributes> => {
  const handle = await channel.open(pathOf(session, file), OpenFlag.READ, {});
  const reading = file.size === 0 ? undefined : channel.readWith(handle, 0, file.size, file.write);
  const looking = channel.fstat(handle);
  const closing = channel.close(handle);
  // All of them are answered before one of them fails it: nothing of this file is on its way any more.
  try {
    if (reading !== undefined) await reading;
    return await looking;
  } finally {
    looking.catch(() => undefined);
    await closing;
  }
};

const readInSteps = async (session: Session, channel: SftpClient, file: IncomingFile): Promise<Attributes> => {
  const handle = await channel.open(pathOf(session, file), OpenFlag.READ, {});
  try {
    if (file.size > 0) await channel.readWith(handle, 0, file.size, file.write);
    return await channel.fstat(handle);
  } finally {
    await closeAfter(channel, handle);
  }
};

/** Whatever made the channel close is told by the request before. */
const closeAfter = (channel: SftpClient, handle: Buffer): Promise<void> =>
  channel.close(handle).catch((error: unknown) => {
    if (error instanceof SftpStatusError) throw error;
  });

const fetchBig: FetchFile = async (session, channel, file, signal) => {
  const handle = await channel.open(pathOf(session, file), OpenFlag.READ, {});
  return readToEnd(session, channel, handle, file, signal);
};

/** From its offset on. Closes the handle, however it ends. */
const readToEnd = async (
  session: Session,
  channel: SftpClient,
  handle: Buffer,
  file: IncomingFile,
  signal: AbortSignal,
): Promise<FetchedFile> => {
  try {
    if (file.offset < file.size)
      await new FetchContent(session, file, pathOf(session, file), signal).run({ channel, handle });
    return foundAs(await channel.fstat(handle));
  } finally {
    await closeAfter(channel, handle);
  }
};

const foundAs = ({ size = -1, mtime = 0, permissions = 0o600 }: Attributes): FetchedFile => ({
  size,
  mtimeSeconds: mtime,
  mode: permissions & 0o7777,
});
