import { OpenFlag } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import type { Name, OutgoingFile } from '../../transport.ts';
import { firstDifference } from './compare.ts';
import { isRefusal } from './server-habits.ts';
import { checkUnchanged, openSource } from './source.ts';

/** The file of that size under its final name has the content of the source. False where the account may not read it. */
export const hasContentOf = async (
  file: OutgoingFile,
  channel: SftpClient,
  final: Name,
  signal: AbortSignal,
): Promise<boolean> => {
  const size = Number(file.identity.size);
  try {
    await using source = await openSource(file);
    const handle = await channel.open(final, OpenFlag.READ, {});
    try {
      if ((await firstDifference(channel, handle, source, { start: 0, end: size }, signal)) !== size) return false;
    } finally {
      await channel.close(handle);
    }
    checkUnchanged(file, await source.stat({ bigint: true }));
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
};
