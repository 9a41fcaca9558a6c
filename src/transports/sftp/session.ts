import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, Status, type Attributes } from '../../sftp/protocol.ts';
import { createSemaphore, type Semaphore } from '../../core/semaphore.ts';
import { createRateLimiter, type RateLimit } from '../../core/rate-limiter.ts';
import {
  showName,
  TransportError,
  wholeSeconds,
  type Name,
  type OutgoingFile,
  type TransportContext,
} from '../../transport.ts';
import { hasContentOf } from './already-there.ts';
import type { Channels } from './channels.ts';
import { ContentWindow } from './content-window.ts';
import { createFolders, type Folders } from './folders.ts';
import type { SftpOptions } from './options.ts';
import { createFindTrouble, type FailedAction, type FindTrouble } from './server-errors.ts';
import { isRefusal, ServerHabits } from './server-habits.ts';

/** All that an upload needs of the connection that it uses. */
export interface Session {
  readonly channels: Channels;
  readonly folders: Folders;
  /** Concurrent sends: enough to keep both ends busy, few enough for the server's table of handles. */
  readonly sendsAtOnce: number;
  /** One unit for each concurrent send. */
  readonly slots: Semaphore;
  /** Bytes of file content in flight. */
  readonly content: Semaphore;
  /** Of these, bytes of big files, which leave room for the small ones. */
  readonly bigContent: Semaphore;
  readonly window: ContentWindow;
  /** Buffers for the content of big files that are free at the moment; no more exist than `bigContent` lets in. */
  readonly chunks: Buffer[];
  readonly rateLimit: RateLimit;
  readonly options: SftpOptions;
  readonly context: TransportContext;
  readonly label: string;
  readonly findTrouble: FindTrouble;
  readonly habits: ServerHabits;
  /** Bytes of each big file that the server has confirmed so far, by its path. */
  readonly underWay: Map<Name, number>;
  readonly closed: boolean;
  close(): Promise<void>;
}

/** For each channel: enough to keep the server busy, and what the connection holds in one round trip at 100 MB/s. */
const CONTENT_AT_SERVER_BYTES = 400 * 1024;
const CONTENT_IN_FLIGHT_BYTES_PER_MS = 100_000;
const MAX_CONTENT_BYTES = 32 * 1024 * 1024;
/** So much of it is for small files alone. */
const SMALL_CONTENT_BYTES = 16 * 1024;
/** Added to the content of a small file: its requests keep the server busy as well. */
export const REQUEST_OVERHEAD_BYTES = 2 * 1024;
/** Many requests share one write, and the server is never idle: 64 took a fifth longer at low latency, and far longer at high latency. */
export const SENDS_PER_CHANNEL = 256;

export const createSession = (
  channels: Channels,
  options: SftpOptions,
  context: TransportContext,
  label: string,
  habits: ServerHabits = new ServerHabits(context.log),
): Session => {
  const sendsAtOnce = (): number =>
    channels.all.reduce(
      (sum, { limits, handlesAtOnce }) =>
        sum + Math.min(SENDS_PER_CHANNEL, handlesAtOnce, Math.ceil((limits.handles || Infinity) / 2)),
      0,
    );
  const findTrouble = createFindTrouble();
  const slots = createSemaphore(sendsAtOnce);
  const content = createSemaphore(() => contentInFlight(channels));
  const window = new ContentWindow(() => contentInFlight(channels) - SMALL_CONTENT_BYTES);
  const bigContent = createSemaphore(() => window.bytes);
  channels.onGrowth(() => {
    // Whoever waits is let in.
    slots.release(0);
    content.release(0);
    bigContent.release(0);
  });
  return {
    channels,
    folders: createFolders(() => channels.leastBusy(), {
      durable: context.durable,
      base: options.path,
      findTrouble,
      tell: (message) => habits.tell('warning', message),
    }),
    get sendsAtOnce() {
      return sendsAtOnce();
    },
    slots,
    content,
    bigContent,
    window,
    chunks: [],
    rateLimit: createRateLimiter(() => context.bandwidth),
    options,
    context,
    label,
    findTrouble,
    habits,
    underWay: new Map(),
    get closed() {
      return channels.closed;
    },
    close: () => channels.close(),
  };
};

/**
 * More than the server can process waits in its buffers, which sshd and sftp-server grow by 32 KiB at a time, copying their whole
 * content each time: with 32 MiB of 120 KB files in flight a transfer took twice as long.
 */
const contentInFlight = ({ all, roundTripMs }: Channels): number =>
  Math.min(MAX_CONTENT_BYTES, all.length * (CONTENT_AT_SERVER_BYTES + roundTripMs * CONTENT_IN_FLIGHT_BYTES_PER_MS));

/** For the message of a send that failed. */
export const failedSend = ({ label, options }: Session, { targetPath }: OutgoingFile): FailedAction => ({
  action: `send "${showName(targetPath)}"`,
  destination: label,
  folder: options.path,
  name: targetPath,
});

/** fsync is used if it is configured and the server supports it. */
export const syncsContent = (
  { context, habits }: Session,
  channel: SftpClient,
  { targetPath }: OutgoingFile,
): boolean => context.durable && channel.has(Extension.FSYNC) && !habits.refusedFsync.has(targetPath);

/** SFTP 3 has 32 bits: a time before 1970 or after 2106 becomes the first or the last that it has. */
export const protocolTime = (seconds: number): number => Math.min(Math.max(seconds, 0), 0xffff_ffff);

/** The last second of file systems with 32 bits and a sign: they keep it for any later time. */
const LAST_SIGNED_SECOND = 0x7fff_ffff;

/** Pure. Whether the destination has the time that it was given, or the nearest that it can hold. */
export const isHeldTime = (wanted: number, found: number | undefined): boolean =>
  found === protocolTime(wanted) || (wanted > LAST_SIGNED_SECOND && found === LAST_SIGNED_SECOND);

/** So many more bytes of a big file are confirmed. @param confirmed of this attempt */
export const noteWritten = (
  { underWay }: Session,
  { targetPath }: OutgoingFile,
  confirmed: { bytes: number },
  bytes: number,
): void => {
  confirmed.bytes += bytes;
  underWay.set(targetPath, (underWay.get(targetPath) ?? 0) + bytes);
};

/** Permission bits and times of the source; version 3 has whole seconds. */
export const finalAttributes = ({ habits }: Session, file: OutgoingFile): Attributes => {
  const times = finalTimes(file);
  return habits.refusedPermissions.has(file.targetPath) ? times : { permissions: file.mode, ...times };
};

export const finalTimes = ({ identity }: OutgoingFile): Attributes => {
  const mtime = protocolTime(wholeSeconds(identity.mtimeNs));
  return { atime: mtime, mtime };
};

/** A complete temporary file, and where it is to go. */
export interface Unpublished {
  readonly temporary: Name;
  readonly final: Name;
  readonly file: OutgoingFile;
}

/** Renames the complete temporary file to its final name, replacing any existing file. */
export const publish = (
  session: Session,
  channel: SftpClient,
  unpublished: Unpublished,
  signal: AbortSignal,
): Promise<void> =>
  channel.has(Extension.POSIX_RENAME) && !session.habits.refusedPosixRename.has(unpublished.file.targetPath)
    ? channel
        .posixRename(unpublished.temporary, unpublished.final)
        .catch((error: unknown) => publishOtherwise(session, channel, unpublished, signal, error))
    : publishWithoutReplacing(session, channel, unpublished, signal).then(() => undefined);

/** A server may announce posix-rename and refuse it. Where it is this file alone that may not be replaced, nothing else will do. */
const publishOtherwise = async (
  session: Session,
  channel: SftpClient,
  unpublished: Unpublished,
  signal: AbortSignal,
  error: unknown,
): Promise<void> => {
  const status = isRefusal(error) ? error.status : undefined;
  const isUnknown = status === Status.OP_UNSUPPORTED;
  if (!isUnknown && status !== Status.PERMISSION_DENIED) throw error;
  if (!isUnknown && (await channel.lstat(unpublished.final)) !== undefined) throw error;
  const isRenamed = await publishWithoutReplacing(session, channel, unpublished, signal).catch((again: unknown) => {
    throw isUnknown ? again : error;
  });
  if (isRenamed && isRefusal(error)) session.habits.refusedPosixRename.learn(error, unpublished.file.targetPath);
};

/** For a server whose only rename fails if the target exists. Resolves with false where nothing was renamed: the file is there already. */
const publishWithoutReplacing = async (
  { options, label }: Session,
  channel: SftpClient,
  { temporary, final, file }: Unpublished,
  signal: AbortSignal,
): Promise<boolean> => {
  try {
    await channel.rename(temporary, final);
    return true;
  } catch (error) {
    if (!(error instanceof SftpStatusError) || error.status === Status.NO_SUCH_FILE) throw error;
    const there = await channel.lstat(final);
    if (there === undefined) throw error;
    // An earlier attempt was stopped between its rename and the mark. Size and time alone do not prove it.
    const isAlike =
      BigInt(there.size ?? -1) === file.identity.size &&
      // The temporary file has got the same time: whatever the destination makes of it.
      (isHeldTime(wholeSeconds(file.identity.mtimeNs), there.mtime) ||
        there.mtime === (await channel.lstat(temporary))?.mtime);
    if (isAlike && (await hasContentOf(file, channel, final, signal))) {
      await channel.remove(temporary).catch(() => undefined);
      return false;
    }
    if (!options.allowDeleteFirst) {
      throw new TransportError(
        'file',
        `Cannot replace "${showName(final)}" at ${label}: the server cannot replace a file atomically`,
        {
          hint: 'remove it there, or set destination.allowDeleteFirst: true and accept a moment without the file',
          cause: error,
        },
      );
    }
    await channel.remove(final);
    await channel.rename(temporary, final);
    return true;
  }
};
