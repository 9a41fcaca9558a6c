import { errorMessage } from '../../errors.ts';
import { openSftpClient, type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension } from '../../sftp/protocol.ts';
import type { Name, TransportContext } from '../../transport.ts';
import type { Master } from '../../ssh/program/master.ts';
import { openSftpChannel } from '../../ssh/program/sftp-channel.ts';
import { syncFolder } from '../sync-folder.ts';
import { folderOf } from './target-path.ts';

/** `rsync --fsync` syncs content but not the folders' entries: those are synced over SFTP, on the same connection. */
export interface DurableNames {
  /**
   * Resolves when the entries of these folders, and of parents not synced before, are on stable storage, or when the server cannot
   * sync them (logged). Rejects when the channel fails.
   */
  sync(folders: ReadonlySet<Name>): Promise<void>;
  close(): void;
}

export const createDurableNames = (
  master: Master,
  path: string,
  { durable, log }: Pick<TransportContext, 'durable' | 'log'>,
): DurableNames => {
  const synced = new Set<Name>();
  let client: Promise<SftpClient | undefined> | undefined;

  const connect = async (): Promise<SftpClient | undefined> => {
    try {
      const opened = await openSftpClient(openSftpChannel(master.socket).duplex);
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
    sync: async (folders) => {
      if (!durable) return;
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

/** Every parent: "DC1/a/b" → "DC1/a", "DC1", "". */
const above = (folder: Name): Name[] => {
  if (folder === '') return [];
  const parent = folderOf(folder);
  return [parent, ...above(parent)];
};
