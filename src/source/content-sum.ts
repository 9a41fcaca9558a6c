import { createHash } from 'node:crypto';
import { closeSync, constants, type BigIntStats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { systemErrorCode } from '../errors.ts';
import { isSameFile } from '../identity.ts';
import { fsPath, type Name } from '../name.ts';
import { openFolderBeneath, pathAt, splitPath } from './open-beneath.ts';

const PIECE_BYTES = 1024 * 1024;
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The SHA-256 of a file below the root ("DC1/sub/file"), reached through no link. undefined where it is not, before and after it is read,
 * what `stats` say of it.
 * @throws system errors, and the signal's reason
 */
export const readContentSum = async (
  root: Name,
  path: Name,
  stats: BigIntStats,
  signal: AbortSignal,
): Promise<Buffer | undefined> => {
  await using file = await openBeneath(root, path);
  if (file === undefined || !isSameFile(await file.stat({ bigint: true }), stats)) return undefined;
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Number(stats.size) + 1));
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(piece, 0, piece.length, null);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
  }
  return isSameFile(await file.stat({ bigint: true }), stats) ? hash.digest() : undefined;
};

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Its access time stays where this user may ask for that. */
const openBeneath = async (root: Name, path: Name): Promise<FileHandle | undefined> => {
  const { folder, name } = splitPath(path);
  let parent: number | undefined;
  try {
    parent = openFolderBeneath(root, folder);
    const at = fsPath(pathAt(parent, name));
    return await open(at, READ_FLAGS | constants.O_NOATIME).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'EPERM') throw error;
      return open(at, READ_FLAGS);
    });
  } catch (error) {
    if (GONE.has(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  } finally {
    if (parent !== undefined) closeSync(parent);
  }
};
