import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { OpenFlag } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import type { Name } from '../../name.ts';
import { firstDifference } from './compare.ts';

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

/**
 * How much of the file the temporary one already holds. The size of a temporary file proves nothing (holes of a striped
 * transfer, data lost with the server's power): what lies beyond the checkpoint is read back and compared.
 */
export const findWholePrefix = async (
  channel: SftpClient,
  source: FileHandle,
  temporary: Name,
  size: number,
  checkpoint: Checkpoint,
): Promise<number> => {
  const attributes = await channel.lstat(temporary);
  const there = Math.min(attributes?.size ?? 0, size);
  if (there === 0 || there < checkpoint.bytes) return 0;
  const handle = await channel.open(temporary, OpenFlag.READ, {});
  try {
    return await firstDifference(channel, handle, source, checkpoint.bytes, there);
  } finally {
    await channel.close(handle);
  }
};
