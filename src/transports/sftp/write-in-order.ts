import { joined, gapsIn, type Range } from './ranges.ts';
import {
  acquireContent,
  answered,
  CHUNK_BYTES,
  IN_FLIGHT_BYTES,
  releaseContent,
  type Content,
  type Stripe,
  type Written,
} from './content.ts';
import { noteWritten, type Session } from './session.ts';
import { readChunk } from './source.ts';

/** Writes what is missing on one handle, each WRITE after the one before: for a server that takes no content beyond the end of a file. */
export const writeInOrder = async (
  session: Session,
  { channel, handle }: Stripe,
  { source, file, missing, sum, confirmed }: Content,
  signal: AbortSignal,
): Promise<Written> => {
  const closed = Promise.resolve();
  const inFlight: Promise<void>[] = [];
  const size = Number(file.identity.size);
  const isStopped = (): boolean => signal.aborted;
  for (const { offset, length } of chunksOf(missing, Math.min(CHUNK_BYTES, channel.limits.write))) {
    const stop = async (): Promise<Written> => {
      await Promise.all(inFlight);
      const left = missing.map(({ start, end }) => ({ start: Math.max(start, offset), end }));
      return { there: gapsIn(joined(left), size), closed };
    };
    if (isStopped()) return stop();
    await acquireContent(session, length);
    let written: Promise<void>;
    try {
      await session.rateLimit(length, signal);
      const chunk = await readChunk(source, file, offset, Buffer.allocUnsafe(length));
      sum?.add(offset, chunk);
      written = answered(session, channel.write(handle, offset, chunk));
    } catch (error) {
      releaseContent(session, length);
      await Promise.allSettled(inFlight);
      if (isStopped()) return stop();
      throw error;
    }
    written = written
      .then(() => noteWritten(session, file, confirmed, length))
      .finally(() => releaseContent(session, length));
    written.catch(() => undefined); // Reported where it is awaited.
    inFlight.push(written);
    if (inFlight.length * length >= IN_FLIGHT_BYTES) await inFlight.shift();
  }
  await Promise.all(inFlight);
  return { there: gapsIn([], size), closed };
};

function* chunksOf(
  ranges: readonly Range[],
  most: number,
): Generator<{ readonly offset: number; readonly length: number }> {
  for (const { start, end } of ranges)
    for (let offset = start; offset < end; offset += most) yield { offset, length: Math.min(most, end - offset) };
}
