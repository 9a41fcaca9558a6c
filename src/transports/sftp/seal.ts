import { Extension, Status, type Attributes } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import type { SftpStatusError } from '../../sftp/replies.ts';
import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import { isRefusal, refusalOf } from './server-habits.ts';
import { finalAttributes, finalTimes, syncsContent, type Session } from './session.ts';

export interface WrittenFile {
  readonly channel: SftpClient;
  readonly handle: Buffer;
  readonly temporary: Name;
  readonly file: OutgoingFile;
}

/**
 * Sets times and permissions, checks the size, syncs, and closes: the last step before the rename. The content is confirmed. Where the
 * server executes requests in order, they are sent together.
 */
export const seal = async (session: Session, written: WrittenFile): Promise<void> => {
  const { channel, handle, file } = written;
  if (session.habits.isStepwise(channel)) return sealStepwise(session, written);
  const [, size] = await Promise.all([
    setAttributes(session, written),
    sizeOfOpen(written),
    syncContent(session, written),
    channel.close(handle),
  ]);
  checkSize(session, file, size);
};

/** Each step waits for the one before. The handle is closed, whatever happens. */
export const sealStepwise = async (session: Session, written: WrittenFile): Promise<void> => {
  const { channel, handle, file } = written;
  try {
    await setAttributes(session, written);
    checkSize(session, file, await sizeOfOpen(written));
    await syncContent(session, written);
  } catch (error) {
    await channel.close(handle).catch(() => undefined);
    throw error;
  }
  await channel.close(handle);
};

/** By the handle, or by name where the server refuses that; undefined: it is not told. */
export const sizeOfOpen = async ({
  channel,
  handle,
  temporary,
}: Omit<WrittenFile, 'file'>): Promise<number | undefined> => {
  try {
    return (await channel.fstat(handle)).size;
  } catch (error) {
    // "Failure" is what a handle gets that the server has lost.
    if (!isRefusal(error) || error.status === Status.FAILURE) throw error;
    return (await channel.lstat(temporary))?.size;
  }
};

const syncContent = async (session: Session, { channel, handle, file }: WrittenFile): Promise<void> => {
  if (syncsContent(session, channel, file)) await syncUnlessRefused(session, { channel, handle }, file.targetPath);
};

/** False where there is no fsync: a server that announces it and refuses it is as one that has none. */
export const syncUnlessRefused = async (
  { habits, context }: Session,
  { channel, handle }: Pick<WrittenFile, 'channel' | 'handle'>,
  targetPath: Name,
): Promise<boolean> => {
  if (habits.refusedFsync.has(targetPath) || !channel.has(Extension.FSYNC)) return false;
  try {
    await channel.fsync(handle);
    return true;
  } catch (error) {
    // "Failure" is what a disk that fails gets.
    if (!isRefusal(error) || error.status === Status.FAILURE) throw error;
    habits.refusedFsync.learn(error, targetPath);
    habits.learnStepwise();
    if (context.durable)
      habits.tell(
        'warning',
        `the server refuses fsync (${error.message}): a mark means "received", not "on stable storage", as with send.durable: false`,
      );
    return false;
  }
};

/** Times and permissions; the times alone on a file system that has no permissions. */
const setAttributes = async (session: Session, written: WrittenFile): Promise<void> => {
  const { habits, label } = session;
  const { file } = written;
  const refusal = await trySet(session, written, finalAttributes(session, file));
  if (refusal === undefined) return;
  const alone = habits.refusedPermissions.has(file.targetPath)
    ? refusal
    : await trySet(session, written, finalTimes(file));
  if (alone === undefined) {
    habits.refusedPermissions.learn(refusal, file.targetPath);
    habits.tell(
      'warning',
      `the server sets no permissions (${refusal.message}), as on a file system that has none: files have there what it gives them`,
    );
    return;
  }
  throw new TransportError(
    'file',
    `Cannot send "${showName(file.targetPath)}" to ${label}: the server refuses to set its time and permissions (${refusal.message})`,
    {
      hint: 'let the account change those of its own files there (SETSTAT): files are compared by their time',
      cause: refusal,
    },
  );
};

/** By the handle, or by name where the server refuses that. Resolves with the last refusal; undefined: it is done. */
const trySet = async (
  { habits }: Session,
  { channel, handle, temporary }: WrittenFile,
  attributes: Attributes,
): Promise<SftpStatusError | undefined> => {
  if (habits.refusesFsetstat) return refusalOf(channel.setstat(temporary, attributes));
  if ((await refusalOf(channel.fsetstat(handle, attributes))) === undefined) return undefined;
  const refusal = await refusalOf(channel.setstat(temporary, attributes));
  if (refusal === undefined) habits.learnRefusesFsetstat();
  return refusal;
};

const checkSize = ({ label }: Session, file: OutgoingFile, size: number | undefined): void => {
  if (size === undefined || BigInt(size) === file.identity.size) return;
  throw new TransportError(
    'network',
    `Sent ${file.identity.size} bytes to ${label}, but the temporary file has ${size}`,
  );
};
