import type { FileHandle } from 'node:fs/promises';
import { formatBytes } from '../../core/units.ts';
import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import type { Attempt } from './checkpoints.ts';
import { ContentSum } from './content-sum.ts';
import { parentOf } from './folders.ts';
import { findEarlierAttempt, openTemporary, type EarlierAttempt } from './resume.ts';
import { seal } from './seal.ts';
import { isRefusal } from './server-habits.ts';
import { publish, type Session } from './session.ts';
import { checkUnchanged, openSource } from './source.ts';
import { StripedWrite, writeInOrder, type Stripe } from './write-content.ts';

// From this size one channel's window (2 MiB for each round trip) limits a file: it is striped over all channels.
const STRIPED_FROM_BYTES = 8 * 1024 * 1024;
/** Sends a file in chunks, striped over several channels if it is large, and continues an interrupted attempt. */
export const uploadBig = async (
  session: Session,
  file: OutgoingFile,
  final: Name,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<void> => {
  const size = Number(file.identity.size);
  const temporary = `${parentOf(final)}/${attempt.temporary}`;
  let source: FileHandle | undefined;
  try {
    source = await openSource(file);
    const isInOrder = session.habits.isInOrder(session.channels.leastBusy());
    const striped = size >= STRIPED_FROM_BYTES && !isInOrder;
    // A smaller file is sent anew after `kill -9`: noting each one would cost more.
    if (size >= STRIPED_FROM_BYTES) attempt.save(attempt.bytes);
    const first = session.channels.leastBusy();
    const earlier = await findEarlierAttempt(first, source, temporary, size, attempt);
    const opened = { channel: first, handle: await openTemporary(first, temporary, earlier) };
    const sum = file.tellSha256 === undefined ? undefined : new ContentSum();
    try {
      const start = await stillThere(opened, earlier, attempt);
      const content = { source, file, start, sum };
      if (isInOrder) await writeInOrder(session, opened, content, signal);
      else await new StripedWrite(session, content, attempt, signal).run(opened, striped ? temporary : undefined);
      checkUnchanged(file, await source.stat({ bigint: true }));
      const told = sum?.end(size);
      if (told !== undefined) file.tellSha256?.(told);
    } catch (error) {
      await first.close(opened.handle).catch(() => undefined);
      throw error;
    }
    await seal(session, { ...opened, temporary, file });
    attempt.checkOurs();
    await publish(session, first, temporary, final);
    attempt.clear();
  } catch (error) {
    if (!isToStartOver(session, error)) {
      attempt.leave();
      if (signal.aborted)
        session.context.log(
          'info',
          `stopped sending "${showName(file.targetPath)}" (${formatBytes(size)}) to ${session.label}: a later run goes on with what is there`,
        );
    } else {
      attempt.clear();
      await session.channels
        .leastBusy()
        .remove(temporary)
        .catch(() => undefined);
    }
    throw error;
  } finally {
    await source?.close();
  }
};

/** The temporary file is of no use: the source is another one, or an unknown server has refused a part of the content. */
const isToStartOver = ({ channels, habits }: Session, error: unknown): boolean =>
  error instanceof TransportError
    ? error.class === 'source-changed'
    : isRefusal(error) && habits.isStepwise(channels.leastBusy());

/** How much of an earlier attempt is there once all is open: a server may truncate a file that is opened for writing. */
const stillThere = async (
  { channel, handle }: Stripe,
  { matchingBytes }: EarlierAttempt,
  attempt: Attempt,
): Promise<number> => {
  if (matchingBytes === 0) return 0;
  const { size } = await channel.fstat(handle);
  if (size !== undefined && size >= matchingBytes) return matchingBytes;
  attempt.save(0);
  return 0;
};
