import type { FileHandle } from 'node:fs/promises';
import { formatBytes } from '../../core/units.ts';
import { OpenFlag, Status } from '../../sftp/protocol.ts';
import { ChannelClosedError, type SftpStatusError } from '../../sftp/replies.ts';
import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import type { Attempt } from './checkpoints.ts';
import { ContentSum } from './content-sum.ts';
import { parentOf } from './folders.ts';
import { bytesOf, gapsIn, type Range } from './ranges.ts';
import { findEarlierAttempt, openTemporary, type EarlierAttempt } from './resume.ts';
import { seal, sizeOfOpen, syncUnlessRefused, type WrittenFile } from './seal.ts';
import { orDestinationFull, orDoesNotFit } from './server-errors.ts';
import { isRefusal } from './server-habits.ts';
import { failedSend, publish, type Session } from './session.ts';
import { checkUnchanged, openSource, sumOfSource } from './source.ts';
import type { Content, Stripe, Written } from './content.ts';
import { StripedWrite } from './striped-write.ts';
import { commit, commitOr } from './upload-commit.ts';
import { writeInOrder } from './write-in-order.ts';

// From this size one channel's window (2 MiB for each round trip) limits a file: it is striped over all channels.
const STRIPED_FROM_BYTES = 8 * 1024 * 1024;

/** Where an abort has stopped it. */
interface Stopped {
  readonly written: number;
  /** On stable storage, and noted. */
  readonly isKept: boolean;
}

/**
 * Sends a file in chunks, striped over several channels if it is large, and continues an interrupted attempt. Resolves with whether its name is
 * on stable storage, too, where that is asked for.
 */
export const uploadBig = async (
  session: Session,
  file: OutgoingFile,
  final: Name,
  attempt: Attempt,
  signal: AbortSignal,
  first = session.channels.leastBusy(),
): Promise<boolean> => {
  const size = Number(file.identity.size);
  const temporary = `${parentOf(final)}/${attempt.temporary}`;
  const { losses } = session.habits;
  const endTurn = await losses.turn(file, signal);
  let source: FileHandle | undefined;
  let stopped: Stopped | undefined;
  let content: Content | undefined;
  try {
    source = await openSource(file);
    const isInOrder = session.habits.isInOrder(first);
    const striped = size >= STRIPED_FROM_BYTES && !isInOrder;
    // A smaller file is sent anew after `kill -9`: noting each one would cost more.
    if (size >= STRIPED_FROM_BYTES) attempt.save(attempt.known);
    const earlier = await findEarlierAttempt(first, source, temporary, size, attempt, signal);
    const opened = { channel: first, handle: await openTemporary(first, temporary, earlier, size) };
    const isCommitted = session.habits.commit.isOfferedOn(first);
    let sha256: Buffer | undefined;
    let written: Written;
    try {
      const missing = await stillMissing({ ...opened, temporary }, earlier, size, attempt);
      // Of a part there is no sum.
      const isSummed = (isCommitted || file.tellSha256 !== undefined) && bytesOf(missing) === size;
      const sum = isSummed ? new ContentSum() : undefined;
      session.underWay.set(file.targetPath, size - bytesOf(missing));
      content = { source, file, missing, sum, confirmed: { bytes: 0 } };
      written = isInOrder
        ? await writeInOrder(session, opened, content, signal)
        : await new StripedWrite(session, content, attempt, signal).run(opened, striped ? temporary : undefined);
      if (bytesOf(written.there) < size) {
        await written.closed;
        const isKept = await keep(session, file, opened, attempt, written.there);
        stopped = { written: bytesOf(written.there), isKept };
        throw signal.reason;
      }
      sha256 = sum?.end(size) ?? (isCommitted ? await sumOfSource(source, file, signal) : undefined);
      checkUnchanged(file, await source.stat({ bigint: true }));
      if (sha256 !== undefined) file.tellSha256?.(sha256);
    } catch (error) {
      await first.close(opened.handle).catch(() => undefined);
      throw error;
    }
    const closing = { final, sha256, isCommitted, othersClosed: written.closed };
    const isSynced = await close(session, { ...opened, temporary, file }, closing, attempt, signal);
    attempt.clear();
    losses.forget(file);
    return isSynced;
  } catch (error) {
    if (!signal.aborted && error instanceof ChannelClosedError && content !== undefined) {
      attempt.leave();
      const there = size - bytesOf(content.missing) + content.confirmed.bytes;
      throw losses.note(session.label, file, there) ?? error;
    }
    const channel = session.channels.leastBusy();
    const failed = failedSend(session, file);
    const reason = signal.aborted ? error : await orDestinationFull(error, channel, failed, session.findTrouble);
    if (!isToStartOver(session, reason)) {
      attempt.leave();
      if (signal.aborted) tellStopped(session, file, stopped);
    } else {
      attempt.clear();
      await channel.remove(temporary).catch(() => undefined);
    }
    throw isFullError(reason) ? await orDoesNotFit(reason, channel, failed, size) : reason;
  } finally {
    session.underWay.delete(file.targetPath);
    endTurn();
    await source?.close();
  }
};

interface Closing {
  readonly final: Name;
  readonly sha256: Buffer | undefined;
  readonly isCommitted: boolean;
  /** The stripes on other channels. */
  readonly othersClosed: Promise<void>;
}

/** Gives what is written its times and its name. */
const close = async (
  session: Session,
  written: WrittenFile,
  { final, sha256, isCommitted, othersClosed }: Closing,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<boolean> => {
  const { channel, handle, temporary, file } = written;
  const sealAndPublish = async (open: WrittenFile): Promise<void> => {
    await seal(session, open);
    await othersClosed;
    attempt.checkOurs();
    await publish(session, channel, { temporary, final, file }, signal);
  };
  if (!isCommitted || sha256 === undefined) {
    await sealAndPublish(written);
    return false;
  }
  attempt.checkOurs();
  // They are served in order. What CLOSE reports is of this file, whatever became of it.
  const committing = Promise.all([
    othersClosed,
    channel.close(handle),
    commit(session, channel, { temporary: attempt.temporary, final, file, sha256 }),
  ]).then(() => undefined);
  return commitOr(session, committing, async () => {
    const again = await channel.open(temporary, OpenFlag.WRITE, {});
    await sealAndPublish({ ...written, handle: again });
  });
};

/** What is written so far is on stable storage, where the server can do that, and a later attempt need not read it back. */
const keep = async (
  session: Session,
  { targetPath }: OutgoingFile,
  opened: Stripe,
  attempt: Attempt,
  there: readonly Range[],
): Promise<boolean> => {
  if (!(await syncUnlessRefused(session, opened, targetPath))) return false;
  attempt.save(there);
  return true;
};

/** @param stopped undefined: it is not known how much the server has */
const tellStopped = ({ context, label }: Session, file: OutgoingFile, stopped: Stopped | undefined): void => {
  const size = formatBytes(Number(file.identity.size));
  const at = stopped === undefined ? `a file of ${size}` : `at ${formatBytes(stopped.written)} of ${size}`;
  const next = stopped?.isKept === true ? 'the next run goes on from there' : 'a later run goes on with what is there';
  context.log('info', `stopped sending "${showName(file.targetPath)}" to ${label}, ${at}: ${next}`);
};

const isFullError = (error: unknown): error is TransportError =>
  error instanceof TransportError && error.class === 'destination-full';

/**
 * A quota or a limit, of which OpenSSH says "Failure" and no more; it may be an error of the disk, of which nothing is lost then but time. Of a
 * commit: the content is another there.
 */
const mayBeQuota = ({ status, request = '' }: SftpStatusError): boolean =>
  status === Status.FAILURE && /^(?:WRITE|CLOSE|fsync|commit)$/.test(request);

/**
 * The temporary file is of no use: the source is another one, an unknown server has refused a part of the content, or the destination is
 * full, or a quota used up, and what stayed would keep it so for every other file.
 */
const isToStartOver = ({ channels, habits }: Session, error: unknown): boolean =>
  error instanceof TransportError
    ? error.class === 'source-changed' || isFullError(error)
    : isRefusal(error) && (habits.isStepwise(channels.leastBusy()) || mayBeQuota(error));

/** What an earlier attempt lacks once all is open: a server may truncate a file that is opened for writing. */
const stillMissing = async (
  opened: Stripe & { readonly temporary: Name },
  { missing }: EarlierAttempt,
  size: number,
  attempt: Attempt,
): Promise<readonly Range[]> => {
  if (bytesOf(missing) === size) return missing;
  const found = await sizeOfOpen(opened);
  const last = missing.at(-1);
  const kept = last?.end === size ? last.start : size;
  if (found !== undefined && found >= kept) return missing;
  attempt.save([]);
  return gapsIn([], size);
};
