import type { SftpClient } from '../sftp/client.ts';
import { OpenFlag, Status } from '../sftp/protocol.ts';
import { SftpStatusError } from '../sftp/replies.ts';
import type { Name } from '../transport.ts';

const REFUSALS: ReadonlySet<number> = new Set([Status.OP_UNSUPPORTED, Status.PERMISSION_DENIED]);

/** The server does not sync folders: many open none like a file. Its message says why. */
export class FolderSyncRefused extends SftpStatusError {}

/**
 * Puts a folder's entries on stable storage. fsync on a handle from OPENDIR fails; OpenSSH opens a folder for reading like a file.
 * @throws FolderSyncRefused where the server does not do that, SftpStatusError where the folder does not exist or the disk fails
 */
export const syncFolder = async (client: SftpClient, folder: Name): Promise<void> => {
  const handle = await client.open(folder, OpenFlag.READ, {}).catch((error: unknown) => {
    throw error instanceof SftpStatusError && error.status !== Status.NO_SUCH_FILE ? refused(error) : error;
  });
  await Promise.all([client.fsync(handle), client.close(handle)]).catch((error: unknown) => {
    throw error instanceof SftpStatusError && REFUSALS.has(error.status) ? refused(error) : error;
  });
};

const refused = ({ status, message }: SftpStatusError): FolderSyncRefused => new FolderSyncRefused(status, message);
