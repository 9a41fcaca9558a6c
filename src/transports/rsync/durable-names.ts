import { errorMessage } from '../../errors.ts';
import { openSftpClient, type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension } from '../../sftp/protocol.ts';
import type { Name, TransportContext } from '../../transport.ts';
import type { Master } from '../../ssh/program/master.ts';
import { openSftpChannel } from '../../ssh/program/sftp-channel.ts';
import { Silence, SILENCE, SILENCE_AT_END } from '../sftp/silence.ts';
import { syncFolder } from '../sync-folder.ts';
import { folderOf } from './target-path.ts';

const WATCH_EVERY_MS = 500;

/** `rsync --fsync` syncs content but not the folders' entries: those are synced over SFTP, on the same connection. */
export interface DurableNames {
  /**
   * Resolves when the entries of these folders, and of parents not synced before, are on stable storage, or when the server cannot
   * sync them (logged). Rejects when the channel fails, or does not answer: for long, or soon once this run `mustEnd`.
   */
  sync(folders: ReadonlySet<Name>, mustEnd?: () => boolean): Promise<void>;
  close(): void;
}

export const createDurableNames = (
  master: Master,
  path: string,
  { durable, log }: Pick<TransportContext, 'durable' | 'log'>,
  limits = SILENCE,
): DurableNames => {
  const synced = new Set<Name>();
  let client: Promise<SftpClient | undefined> | undefined;
  let isEnding = (): boolean => false;

  const watch = (opened: SftpClient): void => {
    const silence = new Silence();
    const timer = setInterval(() => {
      const silentMs = silence.tooLong([opened], isEnding() ? SILENCE_AT_END : limits, performance.now());
      if (silentMs !== undefined)
        opened.destroy(`the server has not answered for ${Math.round(silentMs / 1000)} s, though it was asked`);
      if (opened.closed) clearInterval(timer);
    }, WATCH_EVERY_MS);
    timer.unref();
  };

  const connect = async (): Promise<SftpClient | undefined> => {
    try {
      const opened = await openWithin(master, limits.allMs);
      watch(opened);
      if (opened.has(Extension.FSYNC)) return opened;
      opened.destroy();
      log('warning', 'the server has no fsync over SFTP: file names may be lost if its power fails');
    } catch (error) {
      // A lost connection is reported by the next run.
      if (!master.closed) {
        log(
          'warning',
          `the server has no SFTP beside rsync (${errorMessage(error)}): content is on stable storage, but file names may be lost if its power fails`,
        );
      }
    }
    return undefined;
  };

  return {
    sync: async (folders, mustEnd) => {
      if (!durable) return;
      if (mustEnd !== undefined) isEnding = mustEnd;
      const channel = await (client ??= connect());
      if (channel === undefined) return;
      const wanted = new Set([...folders].flatMap((folder) => [folder, ...(synced.has(folder) ? [] : above(folder))]));
      try {
        await Promise.all([...wanted].map((folder) => syncFolder(channel, `${path}/${folder}`)));
        for (const folder of wanted) synced.add(folder);
      } catch (error) {
        // A status means that the folder was removed or cannot be opened: only its names are not durable. Anything else: the channel failed.
        if (!(error instanceof SftpStatusError)) {
          client = undefined;
          throw error;
        }
        log('warning', `cannot sync a folder at the destination: ${error.message}`);
      }
    },
    close: () => {
      void client?.then((channel) => channel?.destroy());
    },
  };
};

/** A server may start what says nothing. */
const openWithin = async (master: Master, limitMs: number): Promise<SftpClient> => {
  const { duplex } = openSftpChannel(master.socket);
  const timer = setTimeout(() => duplex.destroy(new Error(`no answer for ${Math.round(limitMs / 1000)} s`)), limitMs);
  try {
    return await openSftpClient(duplex);
  } finally {
    clearTimeout(timer);
  }
};

/** Every parent: "DC1/a/b" → "DC1/a", "DC1", "". */
const above = (folder: Name): Name[] => {
  if (folder === '') return [];
  const parent = folderOf(folder);
  return [parent, ...above(parent)];
};
