import { hash } from 'node:crypto';
import type { SftpClient } from '../../sftp/client.ts';
import type { CommittedFile } from '../../sftp/commit.ts';
import { Status } from '../../sftp/protocol.ts';
import { ChannelClosedError } from '../../sftp/replies.ts';
import { showName, TransportError, wholeSeconds, type Name, type OutgoingFile } from '../../transport.ts';
import { mayBeHeldFor } from './held-times.ts';
import { orDestinationFull } from './server-errors.ts';
import { isRefusal } from './server-habits.ts';
import { wordsOf } from './server-words.ts';
import { failedSend, isHeldTime, protocolTime, REQUEST_OVERHEAD_BYTES, type Session } from './session.ts';
import { readSmallFile } from './source.ts';

const NS_PER_S = 1_000_000_000n;

/** What `commit@isocket` is asked for. */
export interface Commit {
  /** Without its folder, which is that of `final`. */
  readonly temporary: Name;
  readonly final: Name;
  readonly file: OutgoingFile;
  readonly sha256: Buffer;
  /** undefined: it was written under the temporary name. */
  readonly content?: Buffer;
}

/** One round trip: `commit@isocket` of our own receiver. The file is there as the reply says, or not at all. */
export const uploadCommit = async (
  session: Session,
  channel: SftpClient,
  file: OutgoingFile,
  temporary: Name,
  final: Name,
  signal: AbortSignal,
): Promise<void> => {
  const size = Number(file.identity.size);
  const delay = session.rateLimit(size, signal);
  if (delay !== undefined) await delay;
  const acquired = session.content.acquire(size + REQUEST_OVERHEAD_BYTES);
  if (acquired !== undefined) await acquired;
  try {
    const content = readSmallFile(file);
    const sha256 = hash('sha256', content, 'buffer');
    file.tellSha256?.(sha256);
    await commit(session, channel, { temporary, final, file, sha256, content });
  } catch (error) {
    throw await orDestinationFull(error, channel, failedSend(session, file), session.findTrouble);
  } finally {
    session.content.release(size + REQUEST_OVERHEAD_BYTES);
  }
};

/** @throws TransportError where something else has the name than what was sent, and what the request throws */
export const commit = async (
  session: Session,
  channel: SftpClient,
  { temporary, final, file, sha256, content }: Commit,
): Promise<void> => {
  const { habits, label, context } = session;
  let held: CommittedFile;
  try {
    held = await channel.commit({
      temporary,
      path: final,
      isDurable: context.durable,
      permissions: file.mode & 0o777,
      ...timeOf(file),
      size: Number(file.identity.size),
      sha256,
      content,
    });
  } catch (error) {
    if (error instanceof ChannelClosedError && habits.commit.lost(channel))
      habits.tell(
        'warning',
        'the server has closed every channel on which it was asked for commit@isocket: files are sent without it',
      );
    throw error;
  }
  habits.commit.worked();
  checkHeld(label, file, sha256, held);
  if ((held.permissions & 0o777) !== (file.mode & 0o777))
    habits.tell(
      'warning',
      'files have other permissions at the destination than here: its file system has none, or nothing that is there may be changed',
    );
};

/**
 * Goes the ordinary way where a commit is refused as such. It may be this file that is refused: then it is so in the ordinary way, too, and
 * the next one is committed again. "Failure" is what a disk gets, or content that is another there.
 * Resolves with whether the file was committed.
 */
export const commitOr = async (
  { habits }: Session,
  committing: Promise<void>,
  otherwise: () => Promise<void>,
): Promise<boolean> => {
  try {
    await committing;
    return true;
  } catch (error) {
    if (!isRefusal(error) || error.status === Status.FAILURE) throw error;
    await otherwise();
    habits.commit.refused();
    habits.tell(
      'info',
      `the server offers commit@isocket and refuses it (${wordsOf(error)}): files are sent without it`,
    );
    return false;
  }
};

/** A second that the protocol has not becomes the nearest that it has, without a fraction. */
const timeOf = ({ identity: { mtimeNs } }: OutgoingFile): { readonly mtime: number; readonly mtimeNs: number } => {
  const seconds = wholeSeconds(mtimeNs);
  const mtime = protocolTime(seconds);
  return { mtime, mtimeNs: mtime === seconds ? Number(mtimeNs - BigInt(seconds) * NS_PER_S) : 0 };
};

/** Pure. @throws TransportError where something else has the name than what was sent */
export const checkHeld = (
  label: string,
  { targetPath, identity }: OutgoingFile,
  sha256: Buffer,
  held: CommittedFile,
): void => {
  const seconds = wholeSeconds(identity.mtimeNs);
  const other = (what: string): TransportError =>
    new TransportError('network', `Sent "${showName(targetPath)}" to ${label}, but the file there has ${what}`);
  if (BigInt(held.size) !== identity.size) throw other(`${held.size} bytes, not ${identity.size}`);
  if (!held.sha256.equals(sha256)) throw other('another SHA-256');
  if (!isHeldTime(seconds, held.mtime) && !mayBeHeldFor(seconds, held.mtime))
    throw other(`the time ${held.mtime}, not ${protocolTime(seconds)}`);
};
