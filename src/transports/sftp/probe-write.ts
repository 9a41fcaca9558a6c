import { randomBytes } from 'node:crypto';
import type { SftpClient } from '../../sftp/client.ts';
import { Extension, OpenFlag, Status, type Attributes } from '../../sftp/protocol.ts';
import type { SftpStatusError } from '../../sftp/replies.ts';
import { TransportError, type Name, type ProbeResult } from '../../transport.ts';
import { isRefusal, refusalOf } from './server-habits.ts';

/** A second of the past that no clock shows by accident. */
export const PROBE_MTIME_S = 1_000_000_007;

export interface WrittenProbe {
  /** The server's time of the last write in seconds. */
  readonly mtime: number | undefined;
  /** Times can be set neither by handle nor by name. */
  readonly refusedTimes: SftpStatusError | undefined;
  /** Times can be set, and permissions cannot. */
  readonly refusedPermissions: SftpStatusError | undefined;
  readonly refusedSync: SftpStatusError | undefined;
}

/** Overwrites the file as a send does. */
export const writeProbe = async (
  channel: SftpClient,
  path: Name,
  { bytes, durable }: { readonly bytes: number; readonly durable: boolean },
): Promise<WrittenProbe> => {
  const handle = await channel.open(path, OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.TRUNC, { permissions: 0o600 });
  let written: WrittenProbe;
  try {
    await channel.write(handle, 0, randomBytes(bytes));
    const { mtime } = await channel.fstat(handle).catch((error: unknown) => {
      if (!isRefusal(error)) throw error;
      return { mtime: undefined };
    });
    const set = async (attributes: Attributes): Promise<SftpStatusError | undefined> => {
      const isByHandle = (await refusalOf(channel.fsetstat(handle, attributes))) === undefined;
      return isByHandle ? undefined : refusalOf(channel.setstat(path, attributes));
    };
    const times = { atime: PROBE_MTIME_S, mtime: PROBE_MTIME_S };
    const refused = await set({ permissions: 0o600, ...times });
    const refusedTimes = refused === undefined ? undefined : await set(times);
    const refusedPermissions = refusedTimes === undefined ? refused : undefined;
    const refusedSync = durable && channel.has(Extension.FSYNC) ? await refusalOf(channel.fsync(handle)) : undefined;
    if (refusedSync?.status === Status.FAILURE) throw refusedSync;
    written = { mtime, refusedTimes, refusedPermissions, refusedSync };
  } catch (error) {
    await channel.close(handle).catch(() => undefined);
    throw error;
  }
  await channel.close(handle);
  return written;
};

/** Renames the first file to its final name, and a second one of another size over it. */
export const probeReplace = async (
  channel: SftpClient,
  temporary: Name,
  final: Name,
  { durable, allowDeleteFirst }: { readonly durable: boolean; readonly allowDeleteFirst: boolean },
): Promise<ProbeResult> => {
  const what = 'atomic rename';
  const rename = async (refused?: SftpStatusError): Promise<ProbeResult> => {
    await channel.remove(final).catch(() => undefined);
    await channel.rename(temporary, final);
    const cannot = 'a file gets its final name once it is complete; it cannot replace another';
    if (refused === undefined) return { what, state: 'ok', message: cannot };
    return {
      what,
      state: allowDeleteFirst ? 'ok' : 'warning',
      message: `the server announces posix-rename, and refuses posix-rename (${refused.message}): ${cannot}`,
      hint: 'an existing file cannot be replaced: see destination.allowDeleteFirst',
    };
  };
  if (!channel.has(Extension.POSIX_RENAME)) return rename();
  const refused = await refusalOf(channel.posixRename(temporary, final));
  if (refused !== undefined) {
    if (refused.status === Status.FAILURE) throw refused;
    return rename(refused);
  }
  await writeProbe(channel, temporary, { bytes: 200, durable });
  await channel.posixRename(temporary, final);
  const size = (await channel.lstat(final))?.size;
  if (size === 200)
    return { what, state: 'ok', message: 'a file gets its final name once it is complete, and replaces an old one' };
  throw new TransportError('file', `Cannot replace a file: after the rename it has ${size ?? 'no'} bytes, not 200`, {
    hint: 'use another server or folder: this one reports a rename that it did not do',
  });
};
