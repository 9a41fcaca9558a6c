import { createSemaphore } from '../../core/semaphore.ts';
import { Extension, Status } from '../../sftp/protocol.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import type { Channels } from './channels.ts';
import { sumKey, type RemoteSums } from './sums-by-path.ts';
import { isRefusal } from './server-habits.ts';

/** What the server is asked to read at once. More would let the last of them wait for longer than a server may take for an answer. */
const MOST_BYTES = 8 * 1024 ** 3;
const MOST_FILES = 1024;

/** By `sha256@isocket` of our own receiver: one request a file. undefined: it is not offered. */
export const askedSums = (channels: Pick<Channels, 'leastBusy'>): RemoteSums | undefined => {
  if (!channels.leastBusy().has(Extension.SHA256, '1')) return undefined;
  return {
    read: async (files, signal) => {
      const asked = createSemaphore(() => MOST_BYTES);
      const sums = new Map<string, string>();
      const ask = async ({ path, size }: (typeof files)[number]): Promise<void> => {
        const units = Math.min(MOST_BYTES, Math.max(Number(size), MOST_BYTES / MOST_FILES));
        await asked.acquire(units);
        try {
          signal.throwIfAborted();
          const { sha256 } = await channels.leastBusy().sha256(path);
          sums.set(sumKey(path), sha256.toString('hex'));
        } catch (error) {
          const isGone = error instanceof SftpStatusError && error.status === Status.NO_SUCH_FILE;
          if (!isGone && !isRefusal(error)) throw error;
        } finally {
          asked.release(units);
        }
      };
      await Promise.all(files.map(ask));
      return sums;
    },
  };
};
