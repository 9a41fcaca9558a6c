import type { SftpClient } from '../sftp/client.ts';
import { OpenFlag } from '../sftp/protocol.ts';
import type { Name } from '../transport.ts';

/**
 * Puts a folder's entries on stable storage. fsync on a handle from OPENDIR fails; OpenSSH opens a folder for reading like a file.
 * @throws SftpStatusError where the folder does not exist or cannot be opened, or the server has no fsync
 */
export const syncFolder = async (client: SftpClient, folder: Name): Promise<void> => {
  const handle = await client.open(folder, OpenFlag.READ, {});
  await Promise.all([client.fsync(handle), client.close(handle)]);
};
