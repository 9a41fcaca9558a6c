import { Status } from '../../sftp/protocol.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { showName, TransportError, wholeSeconds, type Name, type OutgoingFile } from '../../transport.ts';
import type { Checkpoints } from './checkpoints.ts';
import { isFolderMode, parentOf } from './folders.ts';
import { lockedFolder } from './locked-folder.ts';
import { protocolTime, type Session } from './session.ts';
import { isRefusal } from './server-habits.ts';
import { SMALL_FILE_BYTES } from './source.ts';
import type { TemporaryNames } from './temporary-names.ts';
import { uploadBig } from './upload-big.ts';
import { commitOr, uploadCommit } from './upload-commit.ts';
import { uploadSmall } from './upload-small.ts';

/** Files that may follow MKDIR on its channel: the others go to whatever channel is least busy when it is done. */
const MOST_BEHIND_MKDIR = 64;

/** Where the temporary files of one transport get their names. */
export interface Temporaries {
  readonly names: TemporaryNames;
  readonly checkpoints: Checkpoints;
}

/** Creates the folder if needed, uploads the file under a temporary name, and publishes it under its final one. */
export const sendFile = async (
  session: Session,
  file: OutgoingFile,
  temporaries: Temporaries,
  signal: AbortSignal,
): Promise<void> => {
  const { context, folders, slots, habits } = session;
  noteTime(session, file);
  const final = `${session.options.path}/${file.targetPath}`;
  const folder = parentOf(final);
  // Hot path: awaits only what is not done yet. OPEN follows MKDIR on its channel without waiting for the reply, which is queued behind
  // everything in flight, and is a round trip.
  const pending = folders.ensure(folder);
  const follows =
    pending !== undefined && !habits.isStepwise(pending.channel) && pending.channel.pending < MOST_BEHIND_MKDIR;
  if (pending !== undefined && !follows) await pending.done;
  // For callers that ignore `inFlight`.
  const slot = slots.acquire(1);
  if (slot !== undefined) await slot;
  let isSynced: boolean;
  try {
    signal.throwIfAborted();
    isSynced = await upload(session, file, final, temporaries, signal, follows ? pending.channel : undefined);
    if (pending !== undefined) await pending.done;
  } catch (error) {
    folders.noteFailure();
    // MKDIR failed, or the folder was removed since: create it again, once.
    if (!(error instanceof SftpStatusError) || error.status !== Status.NO_SUCH_FILE)
      throw await orFoldersFault(session, file, final, error);
    folders.forget(folder);
    await folders.ensure(folder)?.done;
    isSynced = await upload(session, file, final, temporaries, signal);
  } finally {
    slots.release(1);
  }
  if (context.durable && !isSynced) await folders.sync(folder);
};

/** What the folder, or one that has the name of the file, has to do with it: "Failure" is all that a server says of the latter. */
const orFoldersFault = async (
  { channels, label }: Session,
  { targetPath }: OutgoingFile,
  final: Name,
  error: unknown,
): Promise<unknown> => {
  const cause = error instanceof TransportError && error.class === 'file' ? error.cause : error;
  if (!(cause instanceof SftpStatusError)) return error;
  const channel = channels.leastBusy();
  const locked = cause.request === 'OPEN to write' ? await lockedFolder(channel, parentOf(final), cause) : undefined;
  if (locked !== undefined)
    return new TransportError('file', `Cannot send "${showName(targetPath)}" to ${label}: ${locked.state}`, {
      hint: locked.hint,
      cause: error,
    });
  const there = await channel.lstat(final).catch(() => undefined);
  if (!isFolderMode(there?.permissions)) return error;
  return new TransportError(
    'file',
    `Cannot send "${showName(targetPath)}" to ${label}: a folder stands where the file must go`,
    { hint: 'move away the folder of that name there', cause: error },
  );
};

/**
 * An unknown server has refused a part of the content: it may take it in order only, or not continue a file. Once more, in order and from
 * the start.
 */
const attemptAgain = async (session: Session, error: unknown, attempt: () => Promise<boolean>): Promise<boolean> => {
  const { habits, channels, findTrouble, options } = session;
  const channel = channels.leastBusy();
  if (!isRefusal(error) || !habits.isStepwise(channel)) throw error;
  if ((await findTrouble(channel, options.path, error)) !== undefined) throw error;
  const wasInOrder = habits.isInOrder(channel);
  habits.learnInOrder(true);
  let isSynced: boolean;
  try {
    isSynced = await attempt();
  } catch (again) {
    habits.learnInOrder(wasInOrder);
    throw again;
  }
  if (!wasInOrder)
    habits.tell('info', 'the server takes the content of a file in order only: large files go over one channel');
  return isSynced;
};

/** Directories with a time that SFTP cannot carry, told once in each run. */
const told = new WeakMap<Session['context'], Set<Name>>();

const noteTime = ({ context, label }: Session, { targetPath, identity }: OutgoingFile): void => {
  const seconds = wholeSeconds(identity.mtimeNs);
  if (protocolTime(seconds) === seconds) return;
  const directories = told.get(context) ?? new Set();
  told.set(context, directories);
  const [directory = targetPath] = targetPath.split('/', 1);
  if (directories.has(directory)) return;
  directories.add(directory);
  const kept = seconds < 0 ? 'of 1970' : 'of 2106';
  context.log(
    'warning',
    `${showName(directory)} has files with times that SFTP cannot carry, "${showName(targetPath)}" for one: at ${label} they have the nearest, ${kept}`,
  );
};

/** Resolves with true where the name is on stable storage, too, if that is asked for. */
const upload = async (
  session: Session,
  file: OutgoingFile,
  final: Name,
  { names, checkpoints }: Temporaries,
  signal: AbortSignal,
  channel = session.channels.leastBusy(),
): Promise<boolean> => {
  if (file.identity.size > SMALL_FILE_BYTES) {
    const attempt = (): Promise<boolean> => uploadBig(session, file, final, checkpoints.begin(file), signal, channel);
    return attempt().catch((error: unknown) => attemptAgain(session, error, attempt));
  }
  const attempt = (): Promise<void> => {
    const temporary = `${parentOf(final)}/${names.of(names.nextId())}`;
    return uploadSmall(session, channel, file, temporary, final, signal);
  };
  if (session.habits.commit.isOfferedOn(channel))
    return commitOr(session, uploadCommit(session, channel, file, names.of(names.nextId()), final, signal), attempt);
  if (!session.habits.isStepwise(channel)) {
    await attempt(); // Hot path.
    return false;
  }
  await attempt().catch((error: unknown) => {
    // It says nothing of the reason. GNU's sftpserver, which works at requests side by side, may lose a handle so.
    if (error instanceof SftpStatusError && error.status === Status.FAILURE) return attempt();
    throw error;
  });
  return false;
};
