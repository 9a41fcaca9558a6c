import { hash, randomBytes } from 'node:crypto';
import { encodeName, type Name } from './name.ts';
import { PairSet } from './pair-set.ts';
import type { ExpectedFile, ListedFile, Transport } from './transport.ts';

/** What one whole listing of a folder at a destination showed, in flat memory: a million files are no million objects. */
export interface FolderListing {
  /** A file of this name, size and whole-second mtime was there. */
  has(file: ExpectedFile): boolean;
}

// Of this process alone: no parser can choose names that look alike to it.
const secret = randomBytes(16).toString('hex');

export const readFolderListing = async (
  transport: Transport,
  folder: Name,
  signal: AbortSignal,
): Promise<FolderListing> => {
  const files = new PairSet();
  const add = (file: ListedFile): void => files.add(...fingerprint(file.name, file.size, file.mtime));
  await transport.list?.(folder, add, signal);
  return {
    has: ({ targetPath, size, mtimeNs }) =>
      files.has(
        ...fingerprint(
          targetPath.slice(targetPath.lastIndexOf('/') + 1),
          Number(size),
          Number(mtimeNs / 1_000_000_000n),
        ),
      ),
  };
};

const fingerprint = (name: Name, size: number, mtime: number): [bigint, bigint] => {
  const text = `${secret}/${size}/${mtime}/${name}`;
  const digest = hash('sha1', name.isWellFormed() ? text : encodeName(text), 'buffer');
  return [digest.readBigUInt64LE(0), digest.readBigUInt64LE(8)];
};
