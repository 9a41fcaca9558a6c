import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { OpenFlag, Status } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import type { Name } from '../../name.ts';
import { firstDifference } from './compare.ts';
import { ignoreMissing } from './folders.ts';

/** Up to where the temporary file of one big source file is on the server's stable storage; survives a restart. */
export interface Checkpoint {
  /** Bytes; 0 where nothing is known. */
  readonly bytes: number;
  save(bytes: number): void;
  clear(): void;
}

/** `key` names the source file in its present state, so that another content never takes up its checkpoint. */
export const openCheckpoint = (folder: string, key: string): Checkpoint => {
  const path = `${folder}/${key}`;
  return {
    bytes: readCheckpoint(path),
    save: (whole) => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.new`, String(whole), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
    clear: () => rmSync(path, { force: true }),
  };
};

const readCheckpoint = (path: string): number => {
  try {
    return Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    return 0; // None: the usual case.
  }
};

/** The temporary file of an earlier attempt. */
export interface EarlierAttempt {
  readonly isThere: boolean;
  /** Bytes from its beginning that are those of the source. */
  readonly whole: number;
}

/**
 * How much of the file the temporary one already holds. The size of a temporary file proves nothing (holes of a striped
 * transfer, data lost with the server's power): what lies beyond the checkpoint is read back and compared, and where the account may
 * not read, it counts for nothing.
 */
export const findWholePrefix = async (
  channel: SftpClient,
  source: FileHandle,
  temporary: Name,
  size: number,
  checkpoint: Checkpoint,
): Promise<EarlierAttempt> => {
  const attributes = await channel.lstat(temporary);
  const there = Math.min(attributes?.size ?? 0, size);
  const isThere = attributes !== undefined;
  if (there === 0 || there < checkpoint.bytes) return { isThere, whole: 0 };
  try {
    return { isThere, whole: await readBack(channel, source, temporary, checkpoint.bytes, there) };
  } catch (error) {
    if (!isDenied(error)) throw error;
    return { isThere, whole: checkpoint.bytes };
  }
};

const readBack = async (
  channel: SftpClient,
  source: FileHandle,
  temporary: Name,
  start: number,
  end: number,
): Promise<number> => {
  const handle = await channel.open(temporary, OpenFlag.READ, {});
  try {
    return await firstDifference(channel, handle, source, start, end);
  } finally {
    await channel.close(handle);
  }
};

const isDenied = (error: unknown): boolean =>
  error instanceof SftpStatusError && error.status === Status.PERMISSION_DENIED;

/**
 * Opens the temporary file to go on with it, or anew. Anew never with O_TRUNC: a server that hung does what it was asked to when its
 * line is long gone, and would cut off what another connection has written meanwhile. Done late, O_EXCL fails, and a removal is
 * noticed when the file shall have its name. Only where the account may remove nothing, the old file is emptied.
 */
export const openTemporary = async (
  channel: SftpClient,
  temporary: Name,
  { isThere, whole }: EarlierAttempt,
): Promise<Buffer> => {
  if (whole > 0) return channel.open(temporary, OpenFlag.WRITE, {});
  const isFree = !isThere || (await remove(channel, temporary));
  const fresh = isFree ? OpenFlag.EXCL : OpenFlag.TRUNC;
  return channel.open(temporary, OpenFlag.WRITE | OpenFlag.CREAT | fresh, { permissions: 0o600 });
};

/** False where the account may not. */
const remove = async (channel: SftpClient, path: Name): Promise<boolean> => {
  try {
    await channel.remove(path);
  } catch (error) {
    if (isDenied(error)) return false;
    ignoreMissing(error);
  }
  return true;
};
