import type { FileHandle } from 'node:fs/promises';
import { Extension, OpenFlag, Status } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import type { Name } from '../../name.ts';
import type { Attempt } from './checkpoints.ts';
import { differences } from './compare.ts';
import { ignoreMissing } from './folders.ts';
import { bytesOf, gapsIn, joined, type Range } from './ranges.ts';
import { isRefusal } from './server-habits.ts';

/** The temporary file of an earlier attempt. */
export interface EarlierAttempt {
  readonly exists: boolean;
  /** What it does not have, in its order; the rest equals the source. */
  readonly missing: readonly Range[];
}

/**
 * What of the file the temporary one already has: any part of it, since not every server fills a file from its start. The size of a
 * temporary file proves nothing (holes of a striped transfer, data lost in a power failure of the server): everything that the
 * checkpoint does not know is read back and compared, or sent again where the account may not read.
 */
export const findEarlierAttempt = async (
  channel: SftpClient,
  source: FileHandle,
  temporary: Name,
  size: number,
  { isNew, known }: Pick<Attempt, 'isNew' | 'known'>,
  signal: AbortSignal,
): Promise<EarlierAttempt> => {
  if (isNew) return { exists: false, missing: gapsIn([], size) };
  const attributes = await channel.lstat(temporary);
  const received = Math.min(attributes?.size ?? 0, size);
  const exists = attributes !== undefined;
  if (received === 0 || received < (known.at(-1)?.end ?? 0)) return { exists, missing: gapsIn([], size) };
  try {
    const different = await readBack(channel, source, temporary, gapsIn(known, received), signal);
    return { exists, missing: joined([...different, { start: received, end: size }]) };
  } catch (error) {
    // In whatever words: without this such a file could never go on.
    if (!isRefusal(error)) throw error;
    return { exists, missing: gapsIn(known, size) };
  }
};

const readBack = async (
  channel: SftpClient,
  source: FileHandle,
  temporary: Name,
  ranges: readonly Range[],
  signal: AbortSignal,
): Promise<readonly Range[]> => {
  if (ranges.length === 0) return [];
  const handle = await channel.open(temporary, OpenFlag.READ, {});
  try {
    const different: Range[] = [];
    for (const range of ranges)
      for await (const block of differences(channel, handle, source, range, signal)) different.push(block);
    return different;
  } finally {
    await channel.close(handle);
  }
};

const isDenied = (error: unknown): boolean =>
  error instanceof SftpStatusError && error.status === Status.PERMISSION_DENIED;

/**
 * Opens the temporary file to continue it, or creates it. Not with O_TRUNC: a server that hung may execute the request long after its
 * connection is lost, and would truncate what another connection has written meanwhile. Executed late, O_EXCL fails, and a removal
 * is noticed by the final rename. Only where the account may not remove files, the old file is truncated.
 */
export const openTemporary = async (
  channel: SftpClient,
  temporary: Name,
  { exists, missing }: EarlierAttempt,
  size: number,
): Promise<Buffer> => {
  if (bytesOf(missing) < size) {
    for (const flags of flagsToContinue(channel)) {
      try {
        return await channel.open(temporary, flags, {});
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // The server opens no file to continue it: this one starts over, and the caller sees that it is empty.
      }
    }
  }
  const isFree = !exists || (await remove(channel, temporary));
  const fresh = isFree ? OpenFlag.EXCL : OpenFlag.TRUNC;
  return channel.open(temporary, OpenFlag.WRITE | OpenFlag.CREAT | fresh, { permissions: 0o600 });
};

/** Erlang's server empties what is opened for writing alone; an account may write and not read. */
const flagsToContinue = (channel: SftpClient): readonly number[] =>
  channel.has(Extension.LIMITS) ? [OpenFlag.WRITE] : [OpenFlag.READ | OpenFlag.WRITE, OpenFlag.WRITE];

/** False if the account may not. */
const remove = async (channel: SftpClient, path: Name): Promise<boolean> => {
  try {
    await channel.remove(path);
  } catch (error) {
    if (isDenied(error)) return false;
    ignoreMissing(error);
  }
  return true;
};
