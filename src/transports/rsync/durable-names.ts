import { errorMessage } from '../../errors.ts';
import { openSftpClient, type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, OpenFlag } from '../../sftp/protocol.ts';
import type { Name, TransportContext } from '../../transport.ts';
import type { Master } from '../../ssh/program/master.ts';
import { openSftpChannel } from '../../ssh/program/sftp-channel.ts';

/** `rsync --fsync` puts content on stable storage, never the names: those are synced over SFTP, on the same connection. */
export interface DurableNames {
  /** Resolves when the entries of these folders (and of those above that are new to us) are on stable storage, or cannot be put there. */
  sync(folders: ReadonlySet<Name>): Promise<void>;
  close(): void;
}

export const createDurableNames = (
  master: Master,
  path: string,
  { durable, log }: Pick<TransportContext, 'durable' | 'log'>,
): DurableNames => {
  const known = new Set<Name>();
  let client: Promise<SftpClient | undefined> | undefined;

  const connect = async (): Promise<SftpClient | undefined> => {
    try {
      const opened = await openSftpClient(openSftpChannel(master.socket).duplex);
      if (opened.has(Extension.FSYNC)) return opened;
      opened.destroy();
      log('warning', 'the server has no fsync over SFTP: the names of files may be lost with its power');
    } catch (error) {
      // A connection that was lost is told of by the next run.
      if (!master.closed) {
        log(
          'warning',
          `there is no SFTP beside rsync (${errorMessage(error)}): content is on stable storage, but the names of files may be lost with the server’s power`,
        );
      }
    }
    return undefined;
  };

  const syncOne = async (channel: SftpClient, folder: Name): Promise<void> => {
    const handle = await channel.open(`${path}/${folder}`, OpenFlag.READ, {});
    await Promise.all([channel.fsync(handle), channel.close(handle)]);
  };

  return {
    sync: async (folders) => {
      if (!durable) return;
      const channel = await (client ??= connect());
      if (channel === undefined) return;
      const wanted = new Set([...folders].flatMap((folder) => [folder, ...(known.has(folder) ? [] : above(folder))]));
      try {
        await Promise.all([...wanted].map((folder) => syncOne(channel, folder)));
        for (const folder of wanted) known.add(folder);
      } catch (error) {
        // With a status the folder was removed or cannot be opened: what was said of the names above holds for these.
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

/** "DC1/a/b" → "DC1/a", "DC1", "". */
const above = (folder: Name): Name[] => {
  const slash = folder.lastIndexOf('/');
  if (folder === '') return [];
  const parent = slash === -1 ? '' : folder.slice(0, slash);
  return [parent, ...above(parent)];
};
