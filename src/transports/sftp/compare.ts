import type { SftpClient } from '../../sftp/client.ts';
import type { Range } from './ranges.ts';

// Every server returns this much in one READ; this many in flight keep a high-latency connection busy.
const PIECE_BYTES = 32_000;
const PIECES_AT_ONCE = 64;

/** As `read` of a file handle. */
export type ReadAt = (
  buffer: Buffer,
  offset: number,
  length: number,
  position: number | null,
) => Promise<{ readonly bytesRead: number }>;

interface Source {
  readonly read: ReadAt;
}

/** @returns the offset of the first block that differs; `end` if none does */
export const firstDifference = async (
  channel: SftpClient,
  handle: Buffer,
  source: Source,
  range: Range,
  signal: AbortSignal,
): Promise<number> => {
  for await (const { start } of differences(channel, handle, source, range, signal)) return start;
  return range.end;
};

/** Reads the remote file back from `start` to `end` and compares it with the source: every block that differs, in their order. */
export async function* differences(
  channel: SftpClient,
  handle: Buffer,
  source: Source,
  { start, end }: Range,
  signal: AbortSignal,
): AsyncGenerator<Range> {
  for (let at = start; at < end; at += PIECE_BYTES * PIECES_AT_ONCE) {
    signal.throwIfAborted();
    const offsets = Array.from({ length: PIECES_AT_ONCE }, (_, index) => at + index * PIECE_BYTES).filter(
      (offset) => offset < end,
    );
    const equal = await Promise.all(
      offsets.map((offset) => isEqual(channel, handle, source, offset, Math.min(PIECE_BYTES, end - offset))),
    );
    for (const [index, offset] of offsets.entries())
      if (equal[index] !== true) yield { start: offset, end: Math.min(offset + PIECE_BYTES, end) };
  }
}

// A server may return less than is asked for: the rest is asked for again. The end of the file counts as different.
const isEqual = async (
  channel: SftpClient,
  handle: Buffer,
  source: Source,
  offset: number,
  length: number,
): Promise<boolean> => {
  const local = Buffer.allocUnsafe(length);
  const [first, { bytesRead }] = await Promise.all([
    channel.read(handle, offset, length),
    source.read(local, 0, length, offset),
  ]);
  if (bytesRead !== length) return false;
  let at = 0;
  for (let remote = first; ; remote = await channel.read(handle, offset + at, length - at)) {
    if (remote === undefined || remote.length === 0) return false;
    if (!local.subarray(at, at + remote.length).equals(remote)) return false;
    at += remote.length;
    if (at >= length) return true;
  }
};
