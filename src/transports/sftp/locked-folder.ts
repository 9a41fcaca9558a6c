import type { SftpClient } from '../../sftp/client.ts';
import { Status } from '../../sftp/protocol.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import type { Name } from '../../transport.ts';
import { describeFailure, type Refusal } from './server-words.ts';

/** To write in a folder, and to enter it. */
const OWNERS_WX = 0o300;

/** Where the server refuses to make something in a folder: not even its owner may, as where the server's umask takes that from each new one. */
export const lockedFolder = async (channel: SftpClient, folder: Name, error: unknown): Promise<Refusal | undefined> => {
  if (!(error instanceof SftpStatusError) || error.status !== Status.PERMISSION_DENIED) return undefined;
  const there = await channel.lstat(folder).catch(() => undefined);
  if (there?.permissions === undefined || (there.permissions & OWNERS_WX) === OWNERS_WX) return undefined;
  const mode = (there.permissions & 0o7777).toString(8).padStart(4, '0');
  return {
    state: `${describeFailure(error)}: the folder has mode ${mode} there, and not even its owner may write into it`,
    hint: 'where the server made it so, correct its umask (internal-sftp -u, Umask); then chmod u+rwx that folder',
  };
};
