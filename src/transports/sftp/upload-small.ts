import { OpenFlag } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { showName, type Name, type OutgoingFile } from '../../transport.ts';
import { orDestinationFull } from './server-errors.ts';
import { finalAttributes, publish, syncsContent, type Session } from './session.ts';
import { readSmallFile } from './source.ts';

/**
 * Three round trips: OPEN · everything up to CLOSE in one burst · rename. The rename waits until all before it is confirmed:
 * sent blindly behind a WRITE that failed on a full disk it publishes an empty file.
 */
export const uploadSmall = async (
  session: Session,
  channel: SftpClient,
  file: OutgoingFile,
  temporary: Name,
  final: Name,
): Promise<void> => {
  const size = Number(file.identity.size);
  await session.memory.take(size);
  let isOpen = false;
  try {
    await session.pace(size);
    const handle = await channel.open(temporary, OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.EXCL, {
      permissions: 0o600,
    });
    isOpen = true;
    let content;
    try {
      content = readSmallFile(file);
    } catch (error) {
      await channel.close(handle);
      throw error;
    }
    const burst: Promise<void>[] = [];
    for (let offset = 0; offset < size; offset += channel.limits.write) {
      burst.push(channel.write(handle, offset, content.subarray(offset, offset + channel.limits.write)));
    }
    burst.push(channel.fsetstat(handle, finalAttributes(file)));
    if (syncsContent(session, channel)) burst.push(channel.fsync(handle));
    burst.push(channel.close(handle));
    await Promise.all(burst);
    await publish(session, channel, temporary, final);
  } catch (error) {
    const failed = {
      action: `send "${showName(file.targetPath)}"`,
      destination: session.label,
      folder: session.options.path,
    };
    const reason = await orDestinationFull(error, channel, failed, session.isFull);
    if (isOpen) await channel.remove(temporary).catch(() => undefined);
    throw reason;
  } finally {
    session.memory.give(size);
  }
};
