import type { SftpClient } from '../../sftp/client.ts';
import { showName, type Name } from '../../transport.ts';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

const isFolder = async (channel: SftpClient, path: Name): Promise<boolean> => {
  const attributes = await channel.stat(path).catch(() => undefined);
  return ((attributes?.permissions ?? 0) & S_IFMT) === S_IFDIR;
};

/** Of a path of which not even the first folder is there, the end that is: an account in a chroot sees it so. */
export const chrootedPath = async (channel: SftpClient, folder: Name): Promise<Name | undefined> => {
  const parts = folder.split('/').slice(1);
  if (!folder.startsWith('/') || (await isFolder(channel, `/${parts[0] ?? ''}`))) return undefined;
  for (let from = 1; from < parts.length; from += 1) {
    const path = `/${parts.slice(from).join('/')}`;
    if (await isFolder(channel, path)) return path;
  }
  return undefined;
};

export const describeChroot = (folder: Name, seenAs: Name): { readonly message: string; readonly hint: string } => ({
  message: `"${showName(folder)}" does not exist there, and "${showName(seenAs)}" does: the account seems to be confined to a folder (ChrootDirectory), from which it sees its paths`,
  hint: `set destination.path: ${showName(seenAs)}`,
});
