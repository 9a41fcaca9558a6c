import { randomBytes } from 'node:crypto';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, OpenFlag, Status } from '../../sftp/protocol.ts';
import { showName, TransportError, type Name, type ProbeResult } from '../../transport.ts';
import { formatBytes } from '../../core/units.ts';
import { FolderSyncRefused, syncFolder } from '../sync-folder.ts';
import { createFolders } from './folders.ts';
import type { SftpOptions } from './options.ts';
import { toTransportError } from './server-errors.ts';

export interface ProbeFilesContext {
  readonly owner: string;
  readonly durable: boolean;
  /** For messages. */
  readonly label: string;
}

const MAX_CLOCK_SKEW_S = 5;
const LITTLE_SPACE_BYTES = 1024 ** 3;
const FEW_INODES = 1_000;
/** A second of the past that no clock shows by accident. */
const PROBE_MTIME_S = 1_000_000_007;

/**
 * Does all that a send does, with a temporary file of our own: write, fsync, times, rename, replace, remove. The names are the same in
 * every run, so that at most one file is left where the account may not remove anything.
 */
export async function* probeFiles(
  channel: SftpClient,
  options: SftpOptions,
  { owner, durable, label }: ProbeFilesContext,
  signal: AbortSignal,
): AsyncGenerator<ProbeResult> {
  const folder = options.path === '' ? '/' : options.path;
  const temporary = `${options.path}/.isocket-${owner}-probe-new.part`;
  const final = `${options.path}/.isocket-${owner}-probe.part`;
  let step = 'use the folder';
  try {
    yield await probeFolder(channel, folder);
    yield checkExtensions(channel, durable, options.allowDeleteFirst);
    step = 'write a file';
    const { mtime } = await writeProbe(channel, temporary, 100, durable);
    yield { what: 'write', state: 'ok', message: `a temporary file in ${showName(folder)}` };
    yield checkClock(mtime);
    if (durable && channel.has(Extension.FSYNC)) {
      step = 'put a name on stable storage';
      yield await probeFolderSync(channel, folder);
    }
    step = 'keep the time of a file';
    yield checkMtime((await channel.lstat(temporary))?.mtime);
    step = 'rename a file';
    yield await probeReplace(channel, temporary, final, durable);
    yield await probeRemove(channel, final);
    step = 'ask for free space';
    if (channel.has(Extension.STATVFS)) yield await probeSpace(channel, folder);
  } catch (error) {
    signal.throwIfAborted();
    const failure = await toTransportError(error, channel, { action: step, destination: label, folder });
    yield {
      what: step === 'use the folder' ? 'folder' : (step.split(' ')[0] ?? step),
      state: 'failure',
      message: failure.message,
      hint: failure.hint ?? 'see the server’s log for the reason',
    };
  } finally {
    for (const name of [temporary, final]) await channel.remove(name).catch(() => undefined);
  }
}

const probeFolder = async (channel: SftpClient, folder: Name): Promise<ProbeResult> => {
  const existed = (await channel.stat(folder)) !== undefined;
  await createFolders(() => channel, { durable: false, base: folder }).ensure(folder)?.done;
  return {
    what: 'folder',
    state: 'ok',
    message: `${showName(folder)} ${existed ? 'exists' : 'did not exist: created'}`,
  };
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

/** Overwrites the file; returns the server's time of the last write in seconds. */
const writeProbe = async (
  channel: SftpClient,
  path: Name,
  bytes: number,
  durable: boolean,
): Promise<{ mtime?: number }> => {
  const handle = await channel.open(path, OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.TRUNC, { permissions: 0o600 });
  try {
    await channel.write(handle, 0, randomBytes(bytes));
    const { mtime } = await channel.fstat(handle);
    await channel.fsetstat(handle, { permissions: 0o600, atime: PROBE_MTIME_S, mtime: PROBE_MTIME_S });
    if (durable && channel.has(Extension.FSYNC)) await channel.fsync(handle);
    return mtime === undefined ? {} : { mtime };
  } finally {
    await channel.close(handle);
  }
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

const checkMtime = (mtime: number | undefined): ProbeResult =>
  mtime === PROBE_MTIME_S
    ? { what: 'mtime', state: 'ok', message: 'file times are kept' }
    : {
        what: 'mtime',
        state: 'failure',
        message: `Cannot keep the time of a file: it was set to ${PROBE_MTIME_S}, it is ${mtime ?? 'not reported'}`,
        hint: 'let the account set times (SFTP request "fsetstat"), and check that the file system there keeps them: verify compares them',
      };

/** Renames the first file to its final name, and a second one of another size over it. */
const probeReplace = async (
  channel: SftpClient,
  temporary: Name,
  final: Name,
  durable: boolean,
): Promise<ProbeResult> => {
  const what = 'atomic rename';
  if (!channel.has(Extension.POSIX_RENAME)) {
    await channel.remove(final).catch(() => undefined);
    await channel.rename(temporary, final);
    return { what, state: 'ok', message: 'a file gets its final name once it is complete; it cannot replace another' };
  }
  await channel.posixRename(temporary, final);
  await writeProbe(channel, temporary, 200, durable);
  await channel.posixRename(temporary, final);
  const size = (await channel.lstat(final))?.size;
  if (size === 200)
    return { what, state: 'ok', message: 'a file gets its final name once it is complete, and replaces an old one' };
  throw new TransportError('file', `Cannot replace a file: after the rename it has ${size ?? 'no'} bytes, not 200`, {
    hint: 'use another server or folder: this one reports a rename that it did not do',
  });
};

const probeRemove = async (channel: SftpClient, path: Name): Promise<ProbeResult> => {
  try {
    await channel.remove(path);
    return { what: 'clean up', state: 'ok', message: 'the temporary file is removed' };
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    const denied = error.status === Status.PERMISSION_DENIED;
    return {
      what: 'clean up',
      state: 'warning',
      message: `Cannot remove "${showName(path)}": ${denied ? 'the account may remove nothing' : error.message}`,
      hint: 'this is fine if the account may only add files; remove what a broken transfer leaves (.isocket-….part) yourself',
    };
  }
};

/** Some servers announce the request and refuse it. */
const probeSpace = async (channel: SftpClient, folder: Name): Promise<ProbeResult> => {
  try {
    return checkSpace(await channel.space(folder));
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    return {
      what: 'free space',
      state: 'warning',
      message: `the server does not say how much is free (${error.message})`,
      hint: 'watch the space at the destination yourself: a full disk will look like any other failure',
    };
  }
};

const checkSpace = ({
  free,
  freeInodes,
  inodes,
}: {
  free: number;
  freeInodes: number;
  inodes: number;
}): ProbeResult => {
  const what = 'free space';
  const message = `${formatBytes(free)} free${inodes > 0 ? `, inodes for ${freeInodes} files` : ''}`;
  const isFull = free === 0 || (inodes > 0 && freeInodes === 0);
  const isLittle = free < LITTLE_SPACE_BYTES || (inodes > 0 && freeInodes < FEW_INODES);
  if (!isFull && !isLittle) return { what, state: 'ok', message };
  return {
    what,
    state: isFull ? 'failure' : 'warning',
    message,
    hint: 'make room at the destination before it fills up',
  };
};
