import { hash } from 'node:crypto';
import { OpenFlag, Status } from '../../sftp/protocol.ts';
import type { HandleCommands, SftpClient } from '../../sftp/client.ts';
import type { Name, OutgoingFile } from '../../transport.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { orDestinationFull } from './server-errors.ts';
import { sealStepwise, type WrittenFile } from './seal.ts';
import { isRefusal } from './server-habits.ts';
import { failedSend, finalAttributes, publish, REQUEST_OVERHEAD_BYTES, syncsContent, type Session } from './session.ts';
import { readSmallFile } from './source.ts';

/**
 * Three round trips: OPEN · everything up to CLOSE in one burst · rename. The rename waits until all before it is confirmed:
 * sent without waiting, it would publish an empty file after a WRITE that failed on a full disk. Hot path: awaits and allocates
 * nothing that it does not need. After an abort it goes on to its end: what has begun is soon done.
 */
export const uploadSmall = async (
  session: Session,
  channel: SftpClient,
  file: OutgoingFile,
  temporary: Name,
  final: Name,
  signal: AbortSignal,
): Promise<void> => {
  const size = Number(file.identity.size);
  let isOpen = false;
  try {
    const delay = session.rateLimit(size, signal);
    if (delay !== undefined) await delay;
    const handle = await channel.open(temporary, OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.EXCL, {
      permissions: 0o600,
    });
    isOpen = true;
    const acquired = session.content.acquire(size + REQUEST_OVERHEAD_BYTES);
    if (acquired !== undefined) await acquired;
    try {
      await (session.habits.isStepwise(channel)
        ? fillStepwise(session, { channel, handle, temporary, file })
        : fill(session, channel, handle, file).catch((error: unknown) =>
            fillAgain(session, { channel, temporary, file }, error),
          ));
    } finally {
      session.content.release(size + REQUEST_OVERHEAD_BYTES);
    }
    await publish(session, channel, { temporary, final, file }, signal);
  } catch (error) {
    const reason = await orDestinationFull(error, channel, failedSend(session, file), session.findTrouble);
    if (isOpen) await channel.remove(temporary).catch(() => undefined);
    throw reason;
  }
};

/** Sends everything from the content to CLOSE. */
const fill = (session: Session, channel: SftpClient, handle: Buffer, file: OutgoingFile): Promise<void> => {
  let content: Buffer;
  try {
    content = readSmallFile(file);
  } catch (error) {
    return channel.close(handle).then(() => {
      throw error;
    });
  }
  file.tellSha256?.(hash('sha256', content, 'buffer'));
  return channel.burst((commands) => {
    writeAll(channel, commands, handle, content);
    commands.fsetstat(handle, finalAttributes(session, file));
    if (syncsContent(session, channel, file)) commands.fsync(handle);
    commands.close(handle);
  });
};

const writeAll = (
  { limits }: SftpClient,
  commands: Pick<HandleCommands<void>, 'write'>,
  handle: Buffer,
  content: Buffer,
): void => {
  for (let offset = 0; offset < content.length; offset += limits.write)
    commands.write(handle, offset, content.subarray(offset, offset + limits.write));
};

/** The same in steps, each after the reply to the one before. */
const fillStepwise = async (session: Session, written: WrittenFile): Promise<void> => {
  const { channel, handle, file } = written;
  try {
    const content = readSmallFile(file);
    file.tellSha256?.(hash('sha256', content, 'buffer'));
    if (content.length > 0) await channel.burst((commands) => writeAll(channel, commands, handle, content));
  } catch (error) {
    if (error instanceof SftpStatusError) error.request ??= 'WRITE'; // All of them are.
    await channel.close(handle).catch(() => undefined);
    throw error;
  }
  await sealStepwise(session, written);
};

/** A server that executes requests in order may still refuse one of them, of which there is another form. */
const fillAgain = async (session: Session, unfilled: Omit<WrittenFile, 'handle'>, error: unknown): Promise<void> => {
  if (!isRefusal(error) || error.status === Status.FAILURE) throw error;
  const { channel, temporary } = unfilled;
  const handle = await channel.open(temporary, OpenFlag.WRITE, {});
  const { refusedPermissions } = session.habits;
  const wasKnown = refusedPermissions.has(unfilled.file.targetPath);
  await fillStepwise(session, { ...unfilled, handle });
  // That is known from now on, and nothing was wrong with the order.
  if (refusedPermissions.has(unfilled.file.targetPath) === wasKnown) session.habits.learnStepwise();
};
