import { randomBytes } from 'node:crypto';
import type { SftpClient } from '../../sftp/client.ts';
import { OpenFlag } from '../../sftp/protocol.ts';
import type { Name } from '../../transport.ts';
import { isRefusal } from './server-habits.ts';
import { protocolTime, type Session } from './session.ts';

/** Even, and of a year that every file system has: whatever keeps times keeps it. */
const KEPT_BY_ALL_S = 1_000_000_008;
/** FAT has one second in two; some servers round to a minute. */
const COARSEST_S = 60;
/** The years that FAT and 32 bits with a sign have, without a day at either end for their time zones. */
const FIRST_S = 315_619_200;
const LAST_S = 0x7fff_ffff - 86_400;

const TIMES_A_FILE = 64;
const FILES_AT_ONCE = 8;

/** Pure. Whether a destination that is coarse, or has fewer years, may have made the one time of the other. */
export const mayBeHeldFor = (wanted: number, found: number): boolean =>
  Math.abs(wanted - found) < COARSEST_S || wanted < FIRST_S || wanted > LAST_S;

/**
 * What the destination shows for a file that was given each of these times, tried in that folder with temporary files of ours: a file system
 * may keep one second in two (FAT). A time of which nothing was shown is left out.
 */
export const heldTimes = async (
  { channels, options, context }: Session,
  folder: Name,
  times: Iterable<number>,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> => {
  const shown = new Map<number, number>();
  const left = [...new Set(times)];
  const work = async (): Promise<void> => {
    const path = `${options.path}/${folder}/.isocket-${context.owner}-time${randomBytes(6).toString('hex')}.part`;
    await showTimes(channels.leastBusy(), path, left, shown, signal);
  };
  const files = Math.min(FILES_AT_ONCE, Math.ceil(left.length / TIMES_A_FILE));
  await Promise.all(Array.from({ length: files }, work));
  return shown;
};

/** Takes from `left` what it tries, on a file that is made for it. Where the server refuses, or keeps no times at all, it shows nothing. */
export const showTimes = async (
  channel: SftpClient,
  path: Name,
  left: number[],
  shown: Map<number, number>,
  signal: AbortSignal,
): Promise<void> => {
  const show = async (seconds: number): Promise<number | undefined> => {
    await channel.setstat(path, { atime: seconds, mtime: seconds });
    return (await channel.lstat(path))?.mtime;
  };
  try {
    await channel.close(
      await channel.open(path, OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.EXCL, { permissions: 0o600 }),
    );
    try {
      // Whoever keeps no time shows that of now, or any other: it is no answer.
      if ((await show(KEPT_BY_ALL_S)) !== KEPT_BY_ALL_S) return;
      for (let wanted = left.pop(); wanted !== undefined; wanted = left.pop()) {
        signal.throwIfAborted();
        const found = await show(protocolTime(wanted));
        if (found !== undefined) shown.set(wanted, found);
      }
    } finally {
      await channel.remove(path).catch(() => undefined);
    }
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
};
