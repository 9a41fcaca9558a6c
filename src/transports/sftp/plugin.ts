import { createHash, randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Status } from '../../sftp/protocol.ts';
import {
  definePlugin,
  encodeName,
  showName,
  TransportError,
  type Name,
  type OutgoingFile,
  type Transport,
  type TransportContext,
} from '../../transport.ts';
import { showLogin } from '../../ssh/program/options.ts';
import { parentOf } from './folders.ts';
import { parseSftpOptions, type SftpOptions } from './options.ts';
import { openCheckpoint } from './resume.ts';
import { toTransportError } from './server-errors.ts';
import { createSession, SENDS_PER_CHANNEL, type Session } from './session.ts';
import { SMALL_FILE_BYTES } from './source.ts';
import { uploadSmall } from './upload-small.ts';
import { uploadBig } from './upload-big.ts';
import { removeTemporaries } from './tidy.ts';
import { listFiles, verifyFiles } from './verify.ts';

/** Files over the SFTP subsystem of any SSH server, with ssh2 or the ssh program for the connection and our own codec. */
export const sftp = definePlugin<SftpOptions>({
  name: 'sftp',
  parseOptions: parseSftpOptions,
  connect: (options, context) => createSftpTransport(options, context),
});

const createSftpTransport = (options: SftpOptions, context: TransportContext): Transport => {
  const label = `sftp://${options.system === undefined ? `${options.user ?? userInfo().username}@${options.host}:${options.port}` : showLogin(options.system)}${options.path.startsWith('/') ? '' : '/'}${options.path}`;
  const disposed = new AbortController();
  let session: Session | undefined;
  let connecting: Promise<Session> | undefined;

  const connect = async (): Promise<Session> => {
    try {
      // Loaded on demand: ssh2 is slow to load, and a run without unsent files does not need it.
      const { openChannels } = await import('./channels.ts');
      session = createSession(await openChannels(options, context, disposed.signal), options, context, label);
      disposed.signal.throwIfAborted();
      return session;
    } finally {
      connecting = undefined;
    }
  };
  const connected = (): Session | Promise<Session> => {
    if (disposed.signal.aborted) throw new TransportError('network', `Cannot use ${label}: it was closed`);
    if (session !== undefined && !session.channels.closed) return session;
    return (connecting ??= connect());
  };
  /** Runs `use` on a live connection; any failure becomes a `TransportError`, with `action` in its message. */
  const withSession = async <T>(
    action: () => string,
    signal: AbortSignal,
    use: (session: Session) => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    const now = connected();
    const live = now instanceof Promise ? await now : now;
    try {
      return await use(live);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const failed = { action: action(), destination: label, folder: options.path };
      throw await toTransportError(error, live.channels.leastBusy(), failed, live.isFull);
    }
  };

  const temporaryNames = createTemporaryNames(context);

  return {
    label,
    get inFlight() {
      return session?.sendsAtOnce ?? SENDS_PER_CHANNEL;
    },
    send: (file, signal) =>
      withSession(
        () => `send "${showName(file.targetPath)}"`,
        signal,
        (live) => deliver(live, file, temporaryNames, signal),
      ),
    verify: (files, how, signal) =>
      withSession(
        () => 'verify files',
        signal,
        (live) => verifyFiles(live, files, how, signal),
      ),
    list: (folder, visit, signal) =>
      withSession(
        () => `list "${showName(folder)}"`,
        signal,
        (live) => listFiles(live, folder, visit, signal),
      ),
    tidy: (folders, signal) =>
      withSession(
        () => 'tidy folders',
        signal,
        (live) => removeTemporaries(live, folders),
      ),
    probe: async function* (signal) {
      const { probeSftp } = await import('./probe.ts');
      yield* probeSftp(options, context, label, signal);
    },
    [Symbol.asyncDispose]: async () => {
      disposed.abort();
      await session?.channels.close();
      await connecting?.catch(() => undefined);
      await session?.channels.close();
    },
  };
};

type TemporaryNames = ReturnType<typeof createTemporaryNames>;

const deliver = async (
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

const createTemporaryNames = ({ owner }: TransportContext) => {
  const run = randomBytes(6).toString('hex');
  let count = 0;
  return {
    /** A unique name: for a file that is sent in one burst. */
    next: (): string => `.isocket-${owner}-${run}${(count += 1).toString(36)}.part`,
    /** The name that a later attempt with the same content finds again. */
    of: (key: string): string => `.isocket-${owner}-${key}.part`,
    keyOf: ({ targetPath, identity: { dev, ino, size, mtimeNs } }: OutgoingFile): string =>
      createHash('sha256')
        .update(encodeName(targetPath))
        .update(`\0${dev}:${ino}:${size}:${mtimeNs}`)
        .digest('hex')
        .slice(0, 24),
  };
};
