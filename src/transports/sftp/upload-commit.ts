import { hash } from 'node:crypto';
import type { SftpClient } from '../../sftp/client.ts';
import type { CommittedFile } from '../../sftp/commit.ts';
import { showName, TransportError, wholeSeconds, type Name, type OutgoingFile } from '../../transport.ts';
import { mayBeHeldFor } from './held-times.ts';
import { orDestinationFull } from './server-errors.ts';
import { failedSend, isHeldTime, protocolTime, REQUEST_OVERHEAD_BYTES, type Session } from './session.ts';
import { readSmallFile } from './source.ts';

const NS_PER_S = 1_000_000_000n;

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
    const held = await channel.commit({
      temporary,
      path: final,
      isDurable: session.context.durable,
      permissions: file.mode & 0o777,
      ...timeOf(file),
      sha256,
      content,
    });
    checkHeld(session.label, file, sha256, held);
  } catch (error) {
    throw await orDestinationFull(error, channel, failedSend(session, file), session.findTrouble);
  } finally {
    session.content.release(size + REQUEST_OVERHEAD_BYTES);
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
