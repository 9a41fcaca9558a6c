import { Status } from '../../sftp/protocol.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import type { Name, OutgoingFile } from '../../transport.ts';
import { parentOf } from './folders.ts';
import { openCheckpoint } from './resume.ts';
import type { Session } from './session.ts';
import { SMALL_FILE_BYTES } from './source.ts';
import type { TemporaryNames } from './temporary-names.ts';
import { uploadBig } from './upload-big.ts';
import { uploadSmall } from './upload-small.ts';

/** Creates the folder if needed, uploads the file under a temporary name, and publishes it under its final one. */
export const sendFile = async (
  session: Session,
  file: OutgoingFile,
  temporaryNames: TemporaryNames,
  signal: AbortSignal,
): Promise<void> => {
  const { context, folders, channels, slots } = session;
  const final = `${session.options.path}/${file.targetPath}`;
  const folder = parentOf(final);
  // Hot path: awaits only what is not done yet. On a single channel OPEN follows MKDIR without waiting for its reply, which is queued
  // behind everything in flight: the connection would be idle meanwhile.
  const pending = folders.ensure(folder);
  if (pending !== undefined && !(pending.isRequested && channels.all.length === 1)) await pending.done;
  // For callers that ignore `inFlight`.
  const slot = slots.acquire(1);
  if (slot !== undefined) await slot;
  try {
    signal.throwIfAborted();
    await upload(session, file, final, temporaryNames, signal);
    if (pending !== undefined) await pending.done;
  } catch (error) {
    // MKDIR failed, or the folder was removed since: create it again, once.
    if (!(error instanceof SftpStatusError) || error.status !== Status.NO_SUCH_FILE) throw error;
    folders.forget(folder);
    await folders.ensure(folder)?.done;
    await upload(session, file, final, temporaryNames, signal);
  } finally {
    slots.release(1);
  }
  if (context.durable) await folders.sync(folder);
};

const upload = (
  session: Session,
  file: OutgoingFile,
  final: Name,
  temporaryNames: TemporaryNames,
  signal: AbortSignal,
): Promise<void> => {
  const folder = parentOf(final);
  if (file.identity.size <= SMALL_FILE_BYTES)
    return uploadSmall(session, session.channels.leastBusy(), file, `${folder}/${temporaryNames.next()}`, final);
  const key = temporaryNames.keyOf(file);
  const checkpoint = openCheckpoint(session.context.stateFolder, key);
  return uploadBig(session, file, `${folder}/${temporaryNames.of(key)}`, final, checkpoint, signal);
};
