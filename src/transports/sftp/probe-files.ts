import { randomBytes } from 'node:crypto';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, OpenFlag, Status } from '../../sftp/protocol.ts';
import { showName, TransportError, type Name, type ProbeResult } from '../../transport.ts';
import { formatBytes } from '../../core/units.ts';
import { createFolders } from './folders.ts';
import type { SftpOptions } from './options.ts';
import { toTransportError } from './server-errors.ts';

export interface ProbeFilesContext {
  readonly owner: string;
  readonly durable: boolean;
  /** For messages. */
  readonly label: string;
}

const SKEW_WORTH_TELLING_S = 5;
const LITTLE_SPACE_BYTES = 1024 ** 3;
const FEW_INODES = 1_000;
/** An odd second of the past: nobody's clock says it by accident. */
const PROBE_MTIME_S = 1_000_000_007;

/**
 * Does with a temporary file of ours all that a send does: write, fsync, times, rename, replace, remove. Its names are the same in
 * every run, so that an account that may not remove anything keeps at most one.
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
  let doing = 'use the folder';
  try {
    yield await probeFolder(channel, folder);
    yield extensionsLine(channel, durable, options.allowDeleteFirst);
    doing = 'write a file';
    const { mtime } = await writeProbe(channel, temporary, 100, durable);
    yield { what: 'write', state: 'ok', message: `a temporary file in ${showName(folder)}` };
    yield clockLine(mtime);
    if (durable && channel.has(Extension.FSYNC)) {
      doing = 'put a name on stable storage';
      await createFolders(() => channel, { durable }).sync(folder);
      yield { what: 'fsync', state: 'ok', message: 'content and name are put on stable storage' };
    }
    doing = 'keep the time of a file';
    yield timesLine((await channel.lstat(temporary))?.mtime);
    doing = 'rename a file';
    yield await probeReplace(channel, temporary, final, durable);
    yield await removeLine(channel, final);
    doing = 'ask for free space';
    if (channel.has(Extension.STATVFS)) yield spaceLine(await channel.space(folder));
  } catch (error) {
    signal.throwIfAborted();
    const because = await toTransportError(error, channel, { action: doing, destination: label, folder });
    yield {
      what: doing === 'use the folder' ? 'folder' : (doing.split(' ')[0] ?? doing),
      state: 'failure',
      message: because.message,
      hint: because.hint ?? 'look into the server’s log for the reason',
    };
  } finally {
    for (const name of [temporary, final]) await channel.remove(name).catch(() => undefined);
  }
}

const probeFolder = async (channel: SftpClient, folder: Name): Promise<ProbeResult> => {
  const wasThere = (await channel.stat(folder)) !== undefined;
  await createFolders(() => channel, { durable: false }).ensure(folder)?.made;
  return {
    what: 'folder',
    state: 'ok',
    message: `${showName(folder)} ${wasThere ? 'is there' : 'was not there: made'}`,
  };
};

const extensionsLine = (channel: SftpClient, durable: boolean, allowDeleteFirst: boolean): ProbeResult => {
  const wanted: readonly (readonly [string, string, string | undefined])[] = [
    [
      'posix-rename',
      Extension.POSIX_RENAME,
      allowDeleteFirst
        ? undefined
        : 'a file that is there already cannot be replaced: see destination.allowDeleteFirst',
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
  const cures = lacks.flatMap(([, , cure]) => cure ?? []);
  const message = [
    has.length > 0 ? `the server has ${has.join(', ')}` : 'the server has none',
    ...(lacks.length > 0 ? [`it lacks ${lacks.map(([name]) => name).join(', ')}`] : []),
  ].join('; ');
  if (cures.length === 0) return { what: 'extensions', state: 'ok', message };
  return {
    what: 'extensions',
    state: 'warning',
    message,
    hint: `${cures.join('; ')} (OpenSSH 6.5 and newer has them all)`,
  };
};

/** Writes whatever was there over; returns the server's own time of the last write. */
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

const clockLine = (mtime: number | undefined): ProbeResult => {
  const what = 'clock';
  if (mtime === undefined) return { what, state: 'ok', message: 'the server does not tell the time' };
  const ahead = mtime - Math.floor(Date.now() / 1000);
  if (Math.abs(ahead) <= SKEW_WORTH_TELLING_S)
    return { what, state: 'ok', message: `the clocks of both ends agree within ${SKEW_WORTH_TELLING_S} s` };
  return {
    what,
    state: 'warning',
    message: `the destination’s clock is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} ours`,
    hint: 'run a time service (chrony, systemd-timesyncd) at both ends: files go all the same, but their times and the logs cannot be compared',
  };
};

const timesLine = (mtime: number | undefined): ProbeResult =>
  mtime === PROBE_MTIME_S
    ? { what: 'mtime', state: 'ok', message: 'the time of a file is kept' }
    : {
        what: 'mtime',
        state: 'failure',
        message: `Cannot keep the time of a file: it was set to ${PROBE_MTIME_S}, it is ${mtime ?? 'not told'}`,
        hint: 'let the account set times (SFTP request "fsetstat"), and see that the file system there keeps them: verify compares them',
      };

/** Renames the first file into place and a second one, of another size, over it. */
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
    return { what, state: 'ok', message: 'a file gets its name when it is whole; it cannot replace another' };
  }
  await channel.posixRename(temporary, final);
  await writeProbe(channel, temporary, 200, durable);
  await channel.posixRename(temporary, final);
  const size = (await channel.lstat(final))?.size;
  if (size === 200)
    return { what, state: 'ok', message: 'a file gets its name when it is whole, and replaces an old one' };
  throw new TransportError(
    'file',
    `Cannot replace a file: it is ${size ?? 'not there, not'} bytes, not 200, after a rename over it`,
    {
      hint: 'use another server or folder: this one does not rename as it says',
    },
  );
};

const removeLine = async (channel: SftpClient, path: Name): Promise<ProbeResult> => {
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
      hint: 'all is well where the account shall only add files; what isocket leaves when a transfer breaks (.isocket-….part) is yours to remove there',
    };
  }
};

const spaceLine = ({ free, freeInodes, inodes }: { free: number; freeInodes: number; inodes: number }): ProbeResult => {
  const what = 'free space';
  const message = `${formatBytes(free)} free${inodes > 0 ? `, room for ${freeInodes} files` : ''}`;
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
