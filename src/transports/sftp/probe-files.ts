import { type SftpClient } from '../../sftp/client.ts';
import type { SftpStatusError } from '../../sftp/replies.ts';
import { Extension } from '../../sftp/protocol.ts';
import { showName, type Name, type ProbeResult } from '../../transport.ts';
import { FolderSyncRefused, syncFolder } from '../sync-folder.ts';
import { coarseTimes } from '../coarse-times.ts';
import { noPermissions } from '../no-permissions.ts';
import { mayBeHeldFor, showTimes } from './held-times.ts';
import type { SftpOptions } from './options.ts';
import { probeFolder, removeMade } from './probe-folder.ts';
import { folderBelow, probeRemove, probeRequests, probeSpace } from './probe-requests.ts';
import { PROBE_MTIME_S, probeReplace, writeProbe } from './probe-write.ts';
import { toTransportError } from './server-errors.ts';
import { isRefusal } from './server-habits.ts';

export interface ProbeFilesContext {
  readonly owner: string;
  readonly durable: boolean;
  /** For messages. */
  readonly label: string;
}

const MAX_CLOCK_SKEW_S = 5;

/** One thing that is tried, for the message of its failure. */
interface Step {
  readonly what: string;
  /** "Cannot … at sftp://…". */
  readonly action: string;
}

/**
 * Asks for all that a send and a verification ask for, with a temporary file and a folder of our own. The names are the same in every run,
 * so that at most one of each is left where the account may not remove anything.
 */
export async function* probeFiles(
  channel: SftpClient,
  options: SftpOptions,
  { owner, durable, label }: ProbeFilesContext,
  signal: AbortSignal,
): AsyncGenerator<ProbeResult> {
  const base = options.path === '' ? '/' : options.path;
  const temporary = `${options.path}/.isocket-${owner}-probe-new.part`;
  const final = `${options.path}/.isocket-${owner}-probe.part`;
  const folder = `${options.path}/.isocket-${owner}-probe`;
  let step: Step = { what: 'folder', action: 'use the folder' };
  let made: Name[] = [];
  try {
    const probed = await probeFolder(channel, base);
    made = probed.made;
    yield probed.result;
    if (probed.result.state === 'failure') return;
    yield checkExtensions(channel, durable, options.allowDeleteFirst);
    step = { what: 'write', action: 'write a file' };
    const written = await writeProbe(channel, temporary, { bytes: 100, durable });
    yield { what: 'write', state: 'ok', message: `a temporary file in ${showName(base)}` };
    yield checkClock(written.mtime);
    if (written.refusedSync !== undefined) yield refusedSync(written.refusedSync);
    else if (durable && channel.has(Extension.FSYNC)) {
      step = { what: 'fsync', action: 'put a name on stable storage' };
      yield await probeFolderSync(channel, base);
    }
    step = { what: 'mtime', action: 'look at a file' };
    yield await checkMtime(channel, temporary, written.refusedTimes, signal);
    if (written.refusedPermissions !== undefined) yield noPermissions(written.refusedPermissions.message);
    step = { what: 'atomic rename', action: 'rename a file' };
    yield await probeReplace(channel, temporary, final, { durable, allowDeleteFirst: options.allowDeleteFirst });
    yield* probeRequests(channel, { file: final, folder, base });
    const removed = await probeRemove(channel, { file: final, folder });
    yield removed;
    step = { what: 'free space', action: 'ask for free space' };
    if (channel.has(Extension.STATVFS)) yield await probeSpace(channel, base);
    if (made.length > 0 && removed.state === 'ok') yield await removeMade(channel, made.splice(0));
  } catch (error) {
    signal.throwIfAborted();
    const failure = await toTransportError(error, channel, { action: step.action, destination: label, folder: base });
    const { message, hint = 'see the server’s log for the reason' } = failure;
    const refusesDots = isRefusal(error) && (await takesPlainName(channel, `${options.path}/isocket-${owner}-probe`));
    yield { what: step.what, state: 'failure', message, hint: refusesDots ? NO_DOTS : hint };
  } finally {
    for (const name of [temporary, final]) await channel.remove(name).catch(() => undefined);
    for (const name of [folderBelow(folder), folder, ...made]) await channel.rmdir(name).catch(() => undefined);
  }
}

const NO_DOTS =
  'let the server take names that begin with a dot (ProFTPD: PathDenyFilter, MySecureShell: IgnoreHidden, HideFiles): a file is .isocket-….part until it is complete';

/** The same with a name that does not begin with a dot. */
const takesPlainName = async (channel: SftpClient, path: Name): Promise<boolean> => {
  try {
    await writeProbe(channel, path, { bytes: 1, durable: false });
    return (await channel.lstat(path)) !== undefined;
  } catch {
    return false;
  } finally {
    await channel.remove(path).catch(() => undefined);
  }
};

const checkExtensions = (channel: SftpClient, durable: boolean, allowDeleteFirst: boolean): ProbeResult => {
  const wanted: readonly (readonly [string, string, string | undefined])[] = [
    [
      'posix-rename',
      Extension.POSIX_RENAME,
      allowDeleteFirst ? undefined : 'an existing file cannot be replaced: see destination.allowDeleteFirst',
    ],
    [
      'fsync',
      Extension.FSYNC,
      durable ? 'a mark will mean "received", not "on stable storage": say so with send.durable: false' : undefined,
    ],
    ['statvfs', Extension.STATVFS, 'a full disk will look like any other failure'],
    ['limits', Extension.LIMITS, undefined],
  ];
  const has = wanted.filter(([, extension]) => channel.has(extension)).map(([name]) => name);
  const lacks = wanted.filter(([, extension]) => !channel.has(extension));
  const fixes = lacks.flatMap(([, , fix]) => fix ?? []);
  const message = [
    has.length > 0 ? `the server has ${has.join(', ')}` : 'the server has none',
    ...(lacks.length > 0 ? [`it lacks ${lacks.map(([name]) => name).join(', ')}`] : []),
  ].join('; ');
  if (fixes.length === 0) return { what: 'extensions', state: 'ok', message };
  return {
    what: 'extensions',
    state: 'warning',
    message,
    hint: `${fixes.join('; ')} (OpenSSH 6.5 and newer has them all)`,
  };
};

/** Which level of `durable` the server reaches. */
const probeFolderSync = async (channel: SftpClient, folder: Name): Promise<ProbeResult> => {
  const what = 'fsync';
  try {
    await syncFolder(channel, folder);
    return { what, state: 'ok', message: 'content and name are put on stable storage' };
  } catch (error) {
    if (!(error instanceof FolderSyncRefused)) throw error;
    return {
      what,
      state: 'warning',
      message: `content is put on stable storage, but the name of a file is not: the server syncs no folder (${error.message})`,
      hint: 'files are sent and marked all the same; the names of the last ones may be lost if the power fails there. OpenSSH syncs them too',
    };
  }
};

const checkClock = (mtime: number | undefined): ProbeResult => {
  const what = 'clock';
  if (mtime === undefined) return { what, state: 'ok', message: 'the server does not report the time' };
  const ahead = mtime - Math.floor(Date.now() / 1000);
  if (Math.abs(ahead) <= MAX_CLOCK_SKEW_S)
    return { what, state: 'ok', message: `the clocks of both ends agree within ${MAX_CLOCK_SKEW_S} s` };
  return {
    what,
    state: 'warning',
    message: `the destination’s clock is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} ours`,
    hint: 'run a time service (chrony, systemd-timesyncd) at both ends: files are sent anyway, but their times and the logs cannot be compared',
  };
};

const checkMtime = async (
  channel: SftpClient,
  path: Name,
  refused: SftpStatusError | undefined,
  signal: AbortSignal,
): Promise<ProbeResult> => {
  const what = 'mtime';
  const mtime = (await channel.lstat(path))?.mtime;
  const hint =
    'let the account set times (SFTP request "fsetstat"), and check that the file system there keeps them: verify compares them';
  if (mtime === PROBE_MTIME_S) return { what, state: 'ok', message: 'file times are kept' };
  if (mtime !== undefined && refused === undefined && mayBeHeldFor(PROBE_MTIME_S, mtime)) {
    const shown = new Map<number, number>();
    await showTimes(channel, path.replace(/\.part$/, '-time.part'), [PROBE_MTIME_S], shown, signal);
    if (shown.get(PROBE_MTIME_S) === mtime) return coarseTimes(PROBE_MTIME_S, mtime);
  }
  const message =
    refused === undefined
      ? `Cannot keep the time of a file: it was set to ${PROBE_MTIME_S}, it is ${mtime ?? 'not reported'}`
      : `Cannot set the time of a file: the server refuses FSETSTAT and SETSTAT (${refused.message})`;
  return { what, state: 'failure', message, hint };
};

const refusedSync = ({ message }: SftpStatusError): ProbeResult => ({
  what: 'fsync',
  state: 'warning',
  message: `the server announces fsync, and refuses fsync (${message})`,
  hint: 'a mark will mean "received", not "on stable storage": say so with send.durable: false, or let the account sync its files',
});
