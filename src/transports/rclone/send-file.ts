import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import { holdSource, type HeldSource } from '../rsync/outgoing.ts';
import { createTemporaryNames, type TemporaryNames } from '../sftp/temporary-names.ts';
import { explain } from './failures.ts';
import { toRemotePath } from './names.ts';
import { RcError } from './rc-client.ts';
import { DESTINATION } from './rclone-process.ts';
import type { Refusal } from './refusal.ts';
import type { Session } from './session.ts';
import { statStored } from './stored-files.ts';

export { createTemporaryNames, type TemporaryNames };

/**
 * Resolves when the destination has the whole file under its name. rclone compares what it has written with what it has read: the size,
 * and the sum of it where the store has one. It reads the file through our descriptor.
 */
export const sendFile = async (
  session: Session,
  file: OutgoingFile,
  names: TemporaryNames,
  signal: AbortSignal,
): Promise<void> => {
  const { targetPath } = file;
  if (!targetPath.isWellFormed()) throw notUtf8(file);
  const { traits, shared } = session;
  if (session.refusal !== undefined) throw refused(session.refusal, shared.label);
  await session.transfers.acquire(1);
  try {
    signal.throwIfAborted();
    using source = holdSource(file);
    const descriptor = source.link.slice(source.link.lastIndexOf('/') + 1);
    const final = toRemotePath(targetPath);
    try {
      await (traits.isAtomic
        ? session.copy(descriptor, targetPath, final, signal)
        : copyAside(session, file, { descriptor, final, source, names }, signal));
    } catch (error) {
      if (error instanceof RcError) source.checkUnchanged(); // What changed while it was read fails in many ways.
      throw error;
    }
    source.checkUnchanged();
    noteSent(session, file);
  } catch (error) {
    throw explain(`send "${showName(targetPath)}" to ${shared.label}`, error);
  } finally {
    session.transfers.release(1);
  }
};

interface Aside {
  readonly descriptor: string;
  /** As rclone takes it. */
  readonly final: string;
  readonly source: HeldSource;
  readonly names: TemporaryNames;
}

const copyAside = async (
  session: Session,
  file: OutgoingFile,
  { descriptor, final, source, names }: Aside,
  signal: AbortSignal,
): Promise<void> => {
  const temporary = toRemotePath(besideOf(file.targetPath, names.of(names.nextId())));
  try {
    await session.copy(descriptor, file.targetPath, temporary, signal);
    source.checkUnchanged();
    signal.throwIfAborted();
    await publish(session, file, temporary, final);
  } catch (error) {
    await remove(session, temporary).catch(() => undefined); // `tidy` finds what is left.
    throw error;
  }
};

/** For `verify`. */
export const noteSent = ({ traits, shared: { sent } }: Session, file: OutgoingFile): void => {
  const hasNothing = traits.timesWithin === undefined && traits.hash === undefined;
  if (hasNothing || traits.hasSlowTimes) sent.note(file);
};

/**
 * Where a move fails in some ways (an I/O error, a full disk of a local folder), rclone copies, by writing under the final name. A copy may not
 * begin where no byte may be transferred.
 */
const NO_COPY = { MaxTransfer: 0 };
const NOT_COPIED = /max transfer limit reached/i;

/** Takes a moment, and is not called off. */
const publish = async (session: Session, file: OutgoingFile, temporary: string, final: string): Promise<void> => {
  const move = (): Promise<unknown> =>
    session.call('operations/movefile', {
      srcFs: DESTINATION,
      srcRemote: temporary,
      dstFs: DESTINATION,
      dstRemote: final,
      _config: NO_COPY,
    });
  try {
    await move();
  } catch (error) {
    if (error instanceof RcError && NOT_COPIED.test(error.message)) throw cannotMove(session, file, error);
    if (!(error instanceof RcError) || (await statStored(session, file.targetPath, {})) === undefined) throw error;
    if (!session.shared.options.allowDeleteFirst) throw cannotReplace(session, file, error);
    await remove(session, final);
    await move();
  }
};

const remove = (session: Session, remote: string): Promise<unknown> =>
  session.call('operations/deletefile', { fs: DESTINATION, remote });

const besideOf = (path: Name, name: Name): Name => `${path.slice(0, path.lastIndexOf('/') + 1)}${name}`;

const notUtf8 = ({ targetPath }: OutgoingFile): TransportError =>
  new TransportError('file', `Cannot send "${showName(targetPath)}" through rclone: its name is not UTF-8`, {
    hint: 'rename it at the source; transport sftp and rsync carry every name',
  });

const refused = ({ reason, hint }: Refusal, label: string): TransportError =>
  new TransportError('auth', `Cannot send to ${label}: ${reason}`, { hint });

const cannotMove = ({ shared }: Session, { targetPath }: OutgoingFile, cause: RcError): TransportError =>
  new TransportError(
    'file',
    `Cannot send "${showName(targetPath)}" to ${shared.label}: the remote did not give its temporary file the final name`,
    { hint: 'see whether the destination is full, or has errors of its own: rename a file there by hand', cause },
  );

const cannotReplace = ({ shared }: Session, { targetPath }: OutgoingFile, cause: RcError): TransportError =>
  new TransportError(
    'file',
    `Cannot replace "${showName(targetPath)}" at ${shared.label}: an older one is there (${cause.message})`,
    {
      hint: 'set destination.allowDeleteFirst: true, and the older one is deleted first; or see whether a newer rclone can replace it',
      cause,
    },
  );
