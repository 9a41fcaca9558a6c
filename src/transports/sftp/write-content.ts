import type { FileHandle } from 'node:fs/promises';
import type { SftpClient } from '../../sftp/client.ts';
import { Extension } from '../../sftp/protocol.ts';
import type { OutgoingFile } from '../../transport.ts';
import type { Attempt } from './checkpoints.ts';
import type { ContentSum } from './content-sum.ts';
import type { Session } from './session.ts';
import { sourceChanged } from './source.ts';

const CHUNK_BYTES = 128 * 1024;
const IN_FLIGHT_BYTES = 2 * 1024 * 1024;
/** At most this much work is repeated after a power failure of the server; what was sent since is read back and compared. */
const CHECKPOINT_EVERY_MS = 10_000;

/** A handle of the file on one channel. */
export interface Stripe {
  readonly channel: SftpClient;
  readonly handle: Buffer;
}

export interface Content {
  readonly source: FileHandle;
  readonly file: OutgoingFile;
  /** What is before it is there already. */
  readonly start: number;
  /** Gets all that is read. */
  readonly sum: ContentSum | undefined;
}

/**
 * Writes from `start` to the end, in chunks that are spread over the stripes. Resolves with the offset up to which all is written: less than
 * the file's size after an abort, when what is in flight is answered.
 */
export const writeStriped = async (
  session: Session,
  stripes: readonly Stripe[],
  { source, file, start, sum }: Content,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<number> => {
  const size = Number(file.identity.size);
  let next = start;
  const failures: unknown[] = [];
  /** Offsets of the chunks in flight: everything before the lowest one is at the server. */
  const inFlight = new Set<number>();
  let lastCheckpoint = performance.now();

  const written = (): number => Math.min(next, ...inFlight);
  const saveCheckpoint = async ({ channel, handle }: Stripe): Promise<void> => {
    if (performance.now() - lastCheckpoint < CHECKPOINT_EVERY_MS || !channel.has(Extension.FSYNC)) return;
    lastCheckpoint = performance.now();
    const whole = written();
    await channel.fsync(handle);
    attempt.save(whole);
  };

  const sendChunk = async ({ channel, handle }: Stripe, buffer: Buffer): Promise<void> => {
    const offset = next;
    const length = Math.min(buffer.length, size - offset);
    next += length;
    inFlight.add(offset);
    await session.content.acquire(length);
    try {
      await session.rateLimit(length, signal);
      const chunk = await readChunk(source, file, offset, buffer.subarray(0, length));
      sum?.add(offset, chunk);
      await channel.write(handle, offset, chunk);
      inFlight.delete(offset);
    } finally {
      session.content.release(length);
    }
  };

  const isDone = (): boolean => next >= size || failures.length > 0 || signal.aborted;
  const worker = async (stripe: Stripe, buffer: Buffer): Promise<void> => {
    try {
      while (!isDone()) {
        await sendChunk(stripe, buffer);
        await saveCheckpoint(stripe);
      }
    } catch (error) {
      if (!signal.aborted) failures.push(error);
    }
  };
  const workers = stripes.flatMap((stripe) => {
    const chunk = Math.min(CHUNK_BYTES, stripe.channel.limits.write);
    // One buffer for each: thousands of new ones would be a quarter of the work, for the garbage collector.
    const count = Math.min(Math.ceil(IN_FLIGHT_BYTES / chunk), Math.ceil((size - start) / chunk));
    return Array.from({ length: count }, () => worker(stripe, Buffer.allocUnsafeSlow(chunk)));
  });
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
  return written();
};

/** Fills the chunk. */
const readChunk = async (source: FileHandle, file: OutgoingFile, offset: number, chunk: Buffer): Promise<Buffer> => {
  let filled = 0;
  while (filled < chunk.length) {
    const { bytesRead } = await source.read(chunk, filled, chunk.length - filled, offset + filled);
    if (bytesRead === 0) throw sourceChanged(file); // It was truncated.
    filled += bytesRead;
  }
  return chunk;
};

/** The same on one handle, each WRITE after the one before: for a server that takes no content beyond the end of a file. */
export const writeInOrder = async (
  session: Session,
  { channel, handle }: Stripe,
  { source, file, start, sum }: Content,
  signal: AbortSignal,
): Promise<number> => {
  const size = Number(file.identity.size);
  const inFlight: Promise<void>[] = [];
  let at = start;
  const isStopped = (): boolean => signal.aborted;
  while (at < size && !isStopped()) {
    const length = Math.min(channel.limits.write, size - at);
    await session.content.acquire(length);
    let written: Promise<void>;
    try {
      await session.rateLimit(length, signal);
      const chunk = await readChunk(source, file, at, Buffer.allocUnsafe(length));
      sum?.add(at, chunk);
      written = channel.write(handle, at, chunk);
    } catch (error) {
      session.content.release(length);
      await Promise.allSettled(inFlight);
      if (isStopped()) break;
      throw error;
    }
    written = written.finally(() => session.content.release(length));
    written.catch(() => undefined); // Reported where it is awaited.
    inFlight.push(written);
    at += length;
    if (inFlight.length * length >= IN_FLIGHT_BYTES) await inFlight.shift();
  }
  await Promise.all(inFlight);
  return at;
};
