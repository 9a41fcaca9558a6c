import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, Status } from '../../sftp/protocol.ts';
import { createSemaphore, type Semaphore } from '../../core/semaphore.ts';
import { createRateLimiter } from '../../core/rate-limiter.ts';
import {
  showName,
  TransportError,
  wholeSeconds,
  type Name,
  type OutgoingFile,
  type TransportContext,
} from '../../transport.ts';
import type { Channels } from './channels.ts';
import { createFolders, type Folders } from './folders.ts';
import type { SftpOptions } from './options.ts';
import { createIsFull, type IsFull } from './server-errors.ts';

/** All that one upload needs of the connection it runs on. */
export interface Session {
  readonly channels: Channels;
  readonly folders: Folders;
  /** Sends that may run at once: enough to keep both ends busy, few enough for the server's table of handles. */
  readonly sendsAtOnce: number;
  readonly places: Semaphore;
  /** Bytes of file content that are under way at once. */
  readonly content: Semaphore;
  readonly pace: ReturnType<typeof createRateLimiter>;
  readonly options: SftpOptions;
  readonly context: TransportContext;
  readonly label: string;
  readonly isFull: IsFull;
}

/** On a channel: enough for the server to have something to do, and what the line holds meanwhile at 100 MB/s. */
const CONTENT_AT_SERVER_BYTES = 400 * 1024;
const CONTENT_ON_LINE_BYTES_PER_MS = 100_000;
const MOST_CONTENT_BYTES = 32 * 1024 * 1024;
/** What a small file counts beyond its content: the requests around it keep the server busy as well. */
export const REQUESTS_BYTES = 2 * 1024;
/** More requests in one write, and never a server that waits for us: 64 took a fifth longer on a short line, and far longer on a long one. */
export const SENDS_PER_CHANNEL = 256;

export const createSession = (
  channels: Channels,
  options: SftpOptions,
  context: TransportContext,
  label: string,
): Session => {
  const sendsAtOnce = (): number =>
    channels.all.reduce(
      (sum, { limits }) => sum + Math.min(SENDS_PER_CHANNEL, Math.ceil((limits.handles || Infinity) / 2)),
      0,
    );
  return {
    channels,
    folders: createFolders(() => channels.least(), context),
    get sendsAtOnce() {
      return sendsAtOnce();
    },
    places: createSemaphore(sendsAtOnce),
    content: createSemaphore(() => contentUnderWay(channels)),
    pace: createRateLimiter(context.bandwidth),
    options,
    context,
    label,
    isFull: createIsFull(),
  };
};

/**
 * More than the server works at lies in its buffers, which sshd and sftp-server grow by 32 KiB at a time, copying all that is in
 * them each time: with 32 MiB of 120 KB files under way it took twice as long.
 */
const contentUnderWay = ({ all, roundTripMs }: Channels): number =>
  Math.min(MOST_CONTENT_BYTES, all.length * (CONTENT_AT_SERVER_BYTES + roundTripMs * CONTENT_ON_LINE_BYTES_PER_MS));

/** fsync where it was asked for and the server has it. */
export const syncsContent = ({ context }: Session, channel: SftpClient): boolean =>
  context.durable && channel.has(Extension.FSYNC);

/** SFTP 3 has 32 bits: a time before 1970 or after 2106 becomes the first or the last that it has. */
export const protocolTime = (seconds: number): number => Math.min(Math.max(seconds, 0), 0xffff_ffff);

/** Permission bits and times as they are at the source; version 3 knows whole seconds. */
export const finalAttributes = ({ mode, identity }: OutgoingFile) => {
  const mtime = protocolTime(wholeSeconds(identity.mtimeNs));
  return { permissions: mode, atime: mtime, mtime };
};

/** Gives the whole temporary file its final name, in place of what was there. */
export const publish = (session: Session, channel: SftpClient, temporary: Name, final: Name): Promise<void> =>
  channel.has(Extension.POSIX_RENAME)
    ? channel.posixRename(temporary, final)
    : publishWithoutReplacing(session, channel, temporary, final);

/** For a server whose only rename refuses to replace a file. */
const publishWithoutReplacing = async (
  { options, label }: Session,
  channel: SftpClient,
  temporary: Name,
  final: Name,
): Promise<void> => {
  try {
    await channel.rename(temporary, final);
  } catch (error) {
    if (
      !(error instanceof SftpStatusError) ||
      error.status !== Status.FAILURE ||
      (await channel.lstat(final)) === undefined
    )
      throw error;
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
  }
};
