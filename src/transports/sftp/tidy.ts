import { SftpStatusError, type SftpClient } from '../../sftp/client.ts';
import { Status } from '../../sftp/protocol.ts';
import type { Name } from '../../name.ts';
import type { Session } from './session.ts';

/** Removes this owner's temporary files from the folders. Those of other owners, and all other files, stay. */
export const removeTemporaries = async (
  { channels, options, context }: Session,
  folders: readonly Name[],
): Promise<void> => {
  const prefix = `.isocket-${context.owner}-`;
  for (const folder of folders) {
    const path = `${options.path}/${folder}`;
    const channel = channels.least();
    for await (const name of listFolder(channel, path)) {
      if (name.startsWith(prefix) && name.endsWith('.part'))
        await channel.remove(`${path}/${name}`).catch(ignoreMissing);
    }
  }
};

async function* listFolder(channel: SftpClient, path: Name): AsyncGenerator<Name> {
  let handle;
  try {
    handle = await channel.opendir(path);
  } catch (error) {
    ignoreMissing(error);
    return;
  }
  try {
    for (let entries = await channel.readdir(handle); entries !== undefined; entries = await channel.readdir(handle)) {
      for (const { name } of entries) yield name;
    }
  } finally {
    await channel.close(handle);
  }
}

const ignoreMissing = (error: unknown): void => {
  if (!(error instanceof SftpStatusError) || error.status !== Status.NO_SUCH_FILE) throw error;
};
