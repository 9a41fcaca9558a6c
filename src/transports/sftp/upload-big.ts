import type { FileHandle } from 'node:fs/promises';
import { OpenFlag, Extension } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { formatBytes } from '../../core/units.ts';
import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import type { Attempt } from './checkpoints.ts';
import { ContentSum } from './content-sum.ts';
import { parentOf } from './folders.ts';
import { findEarlierAttempt, openTemporary } from './resume.ts';
import { seal } from './seal.ts';
import { publish, type Session } from './session.ts';
import { checkUnchanged, openSource, sourceChanged } from './source.ts';

// From this size one channel's window (2 MiB for each round trip) limits a file: it is striped over all channels.
const STRIPED_FROM_BYTES = 8 * 1024 * 1024;
const CHUNK_BYTES = 128 * 1024;
const IN_FLIGHT_BYTES = 2 * 1024 * 1024;
/** At most this much work is repeated after a power failure of the server; what was sent since is read back and compared. */
const CHECKPOINT_EVERY_MS = 10_000;

interface Stripe {
  readonly channel: SftpClient;
  readonly handle: Buffer;
}

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
    const striped = size >= STRIPED_FROM_BYTES;
    // A smaller file is sent anew after `kill -9`: noting each one would cost more.
    if (striped) attempt.save(attempt.bytes);
    const [first = session.channels.leastBusy(), ...others] = striped
      ? session.channels.all
      : [session.channels.leastBusy()];
    const earlier = await findEarlierAttempt(first, source, temporary, size, attempt);
    const opened = { channel: first, handle: await openTemporary(first, temporary, earlier) };
    const stripes = await openStripes(opened, others, temporary);
    const sum = file.tellSha256 === undefined ? undefined : new ContentSum();
    try {
      await writeAll(session, stripes, source, file, earlier.matchingBytes, attempt, sum, signal);
      checkUnchanged(file, await source.stat({ bigint: true }));
      const told = sum?.end(size);
      if (told !== undefined) file.tellSha256?.(told);
    } catch (error) {
      await closeStripes(stripes);
      throw error;
    }
    try {
      await Promise.all(stripes.slice(1).map(({ channel, handle }) => channel.close(handle)));
    } catch (error) {
      await closeStripes([opened]);
      throw error;
    }
    await seal(session, { ...opened, temporary, file });
    attempt.checkOurs();
    await publish(session, first, temporary, final);
    attempt.clear();
  } catch (error) {
    if (!(error instanceof TransportError) || error.class !== 'source-changed') {
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

/** Opens the file on the other channels as well. If one of them cannot, all handles are closed, the first one's included. */
const openStripes = async (first: Stripe, others: readonly SftpClient[], temporary: Name): Promise<Stripe[]> => {
  const opening = others.map(async (channel) => ({
    channel,
    handle: await channel.open(temporary, OpenFlag.WRITE, {}),
  }));
  const results = await Promise.allSettled(opening);
  const stripes = [first, ...results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))];
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return stripes;
  await closeStripes(stripes);
  throw failed.reason;
};

const closeStripes = async (stripes: readonly Stripe[]): Promise<void> => {
  await Promise.allSettled(stripes.map(({ channel, handle }) => channel.close(handle)));
};

const writeAll = async (
  session: Session,
  stripes: readonly Stripe[],
  source: FileHandle,
  file: OutgoingFile,
  start: number,
  attempt: Attempt,
  sum: ContentSum | undefined,
  signal: AbortSignal,
): Promise<void> => {
  const size = Number(file.identity.size);
  let next = start;
  const failures: unknown[] = [];
  /** Offsets of the chunks in flight: everything before the lowest one is at the server. */
  const inFlight = new Set<number>();
  let lastCheckpoint = performance.now();

  const saveCheckpoint = async ({ channel, handle }: Stripe): Promise<void> => {
    if (performance.now() - lastCheckpoint < CHECKPOINT_EVERY_MS || !channel.has(Extension.FSYNC)) return;
    lastCheckpoint = performance.now();
    const whole = Math.min(next, ...inFlight);
    await channel.fsync(handle);
    attempt.save(whole);
  };

  const sendChunk = async ({ channel, handle }: Stripe): Promise<void> => {
    const offset = next;
    const length = Math.min(CHUNK_BYTES, channel.limits.write, size - offset);
    next += length;
    inFlight.add(offset);
    await session.content.acquire(length);
    try {
      await session.rateLimit(length);
      const chunk = await readChunk(source, file, offset, length);
      sum?.add(offset, chunk);
      await channel.write(handle, offset, chunk);
      inFlight.delete(offset);
    } finally {
      session.content.release(length);
    }
  };

  const isDone = (): boolean => next >= size || failures.length > 0;
  const worker = async (stripe: Stripe): Promise<void> => {
    try {
      while (!isDone()) {
        signal.throwIfAborted();
        await sendChunk(stripe);
        await saveCheckpoint(stripe);
      }
    } catch (error) {
      failures.push(error);
    }
  };
  const workers = stripes.flatMap((stripe) => {
    const chunk = Math.min(CHUNK_BYTES, stripe.channel.limits.write);
    return Array.from({ length: Math.ceil(IN_FLIGHT_BYTES / chunk) }, () => worker(stripe));
  });
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
};

const readChunk = async (source: FileHandle, file: OutgoingFile, offset: number, length: number): Promise<Buffer> => {
  const chunk = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await source.read(chunk, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw sourceChanged(file); // It was truncated.
    filled += bytesRead;
  }
  return chunk;
};
