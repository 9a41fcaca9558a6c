import type { FileHandle } from 'node:fs/promises';
import { OpenFlag, Extension } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import { findWholePrefix, openTemporary, type Checkpoint } from './resume.ts';
import { finalAttributes, publish, syncsContent, type Session } from './session.ts';
import { checkUnchanged, openSource, sourceChanged } from './source.ts';

// Beyond this size one channel's window (2 MiB a round trip) is what a file waits for: it is spread over all of them.
const STRIPED_FROM_BYTES = 8 * 1024 * 1024;
const CHUNK_BYTES = 128 * 1024;
const IN_FLIGHT_BYTES = 2 * 1024 * 1024;
/** So much work is sent again at most after the server's power failed; what was sent since is read back and compared. */
const CHECKPOINT_EVERY_MS = 10_000;

interface Lane {
  readonly channel: SftpClient;
  readonly handle: Buffer;
}

/** Sends a file in chunks, over several channels where it is big, going on where an earlier attempt was cut off. */
export const uploadBig = async (
  session: Session,
  file: OutgoingFile,
  temporary: Name,
  final: Name,
  checkpoint: Checkpoint,
  signal: AbortSignal,
): Promise<void> => {
  const size = Number(file.identity.size);
  const source = await openSource(file);
  try {
    const striped = size >= STRIPED_FROM_BYTES;
    const [first = session.channels.least(), ...others] = striped ? session.channels.all : [session.channels.least()];
    const earlier = await findWholePrefix(first, source, temporary, size, checkpoint);
    const opened = { channel: first, handle: await openTemporary(first, temporary, earlier) };
    const lanes = [
      opened,
      ...(await Promise.all(
        others.map(async (channel) => ({ channel, handle: await channel.open(temporary, OpenFlag.WRITE, {}) })),
      )),
    ];
    try {
      await writeAll(session, lanes, source, file, earlier.whole, checkpoint, signal);
      checkUnchanged(file, await source.stat({ bigint: true }));
    } catch (error) {
      await Promise.allSettled(lanes.map(({ channel, handle }) => channel.close(handle)));
      throw error;
    }
    await Promise.all(lanes.slice(1).map(({ channel, handle }) => channel.close(handle)));
    await seal(session, opened, file);
    await publish(session, first, temporary, final);
    checkpoint.clear();
  } catch (error) {
    if (error instanceof TransportError && error.class === 'source-changed') {
      checkpoint.clear();
      await session.channels
        .least()
        .remove(temporary)
        .catch(() => undefined);
    }
    throw error;
  } finally {
    await source.close();
  }
};

const writeAll = async (
  session: Session,
  lanes: readonly Lane[],
  source: FileHandle,
  file: OutgoingFile,
  start: number,
  checkpoint: Checkpoint,
  signal: AbortSignal,
): Promise<void> => {
  const size = Number(file.identity.size);
  let next = start;
  const failures: unknown[] = [];
  /** Chunks that are under way, by offset: everything before the lowest one is at the server. */
  const underWay = new Set<number>();
  let lastCheckpoint = performance.now();

  const saveCheckpoint = async ({ channel, handle }: Lane): Promise<void> => {
    if (performance.now() - lastCheckpoint < CHECKPOINT_EVERY_MS || !channel.has(Extension.FSYNC)) return;
    lastCheckpoint = performance.now();
    const whole = Math.min(next, ...underWay);
    await channel.fsync(handle);
    checkpoint.save(whole);
  };

  const sendChunk = async ({ channel, handle }: Lane): Promise<void> => {
    const offset = next;
    const length = Math.min(CHUNK_BYTES, channel.limits.write, size - offset);
    next += length;
    underWay.add(offset);
    await session.content.acquire(length);
    try {
      await session.pace(length);
      const chunk = await readChunk(source, file, offset, length);
      await channel.write(handle, offset, chunk);
      underWay.delete(offset);
    } finally {
      session.content.release(length);
    }
  };

  const isOver = (): boolean => next >= size || failures.length > 0;
  const worker = async (lane: Lane): Promise<void> => {
    try {
      while (!isOver()) {
        signal.throwIfAborted();
        await sendChunk(lane);
        await saveCheckpoint(lane);
      }
    } catch (error) {
      failures.push(error);
    }
  };
  const workers = lanes.flatMap((lane) => {
    const chunk = Math.min(CHUNK_BYTES, lane.channel.limits.write);
    return Array.from({ length: Math.ceil(IN_FLIGHT_BYTES / chunk) }, () => worker(lane));
  });
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
};

const readChunk = async (source: FileHandle, file: OutgoingFile, offset: number, length: number): Promise<Buffer> => {
  const chunk = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await source.read(chunk, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw sourceChanged(file); // It shrank.
    filled += bytesRead;
  }
  return chunk;
};

/** Times and bits, stable storage, and a last look at the size before the file may have its name. */
const seal = async (session: Session, { channel, handle }: Lane, file: OutgoingFile): Promise<void> => {
  const [, attributes] = await Promise.all([
    channel.fsetstat(handle, finalAttributes(file)),
    channel.fstat(handle),
    syncsContent(session, channel) ? channel.fsync(handle) : undefined,
    channel.close(handle),
  ]);
  if (attributes.size !== undefined && BigInt(attributes.size) !== file.identity.size) {
    throw new TransportError(
      'network',
      `Sent ${file.identity.size} bytes to ${session.label}, but the temporary file has ${attributes.size}`,
    );
  }
};
