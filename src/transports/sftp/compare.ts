import type { FileHandle } from 'node:fs/promises';
import type { SftpClient } from '../../sftp/client.ts';

// What every server gives in one READ, and enough of them to fill a long line.
const PIECE_BYTES = 32_000;
const PIECES_AT_ONCE = 64;

/** Reads the file back from `start` to `end` and compares. Where the first piece that differs begins; `end` where none does. */
export const firstDifference = async (
  channel: SftpClient,
  handle: Buffer,
  source: FileHandle,
  start: number,
  end: number,
): Promise<number> => {
  for (let at = start; at < end; at += PIECE_BYTES * PIECES_AT_ONCE) {
    const offsets = Array.from({ length: PIECES_AT_ONCE }, (_, index) => at + index * PIECE_BYTES).filter(
      (offset) => offset < end,
    );
    const equal = await Promise.all(
      offsets.map((offset) => isEqual(channel, handle, source, offset, Math.min(PIECE_BYTES, end - offset))),
    );
    const different = offsets[equal.indexOf(false)];
    if (different !== undefined) return different;
  }
  return end;
};

// A short answer counts as different.
const isEqual = async (
  channel: SftpClient,
  handle: Buffer,
  source: FileHandle,
  offset: number,
  length: number,
): Promise<boolean> => {
  const ours = Buffer.allocUnsafe(length);
  const [theirs, { bytesRead }] = await Promise.all([
    channel.read(handle, offset, length),
    source.read(ours, 0, length, offset),
  ]);
  return theirs !== undefined && bytesRead === length && ours.equals(theirs);
};
