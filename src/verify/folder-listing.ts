import { HashTable } from '../core/hash-table.ts';
import { listingHash, type KeyedHash } from './listing-hash.ts';
import type { Name } from '../name.ts';
import type { Transport } from '../transport.ts';

/** What one whole listing of a folder at a destination showed. */
export interface FolderListing {
  /** A file of this name, size and whole-second mtime was there. */
  has(name: Name, size: number, mtime: number): boolean;
}

export const readFolderListing = async (
  transport: Transport,
  folder: Name,
  signal: AbortSignal,
): Promise<FolderListing> => {
  const files = createFileSet();
  await transport.list?.(folder, ({ name, size, mtimeSeconds }) => files.add(name, size, mtimeSeconds), signal);
  return files;
};

/** Files by a keyed hash of name, size in bytes and mtime in seconds: a million of them are no million objects. */
export const createFileSet = (hash: KeyedHash = listingHash) => {
  const table = new HashTable({ values: false });
  return {
    add: (name: Name, bytes: number, mtime: number): void => {
      const [first, second] = hash(name, bytes, mtime);
      table.set(first, second);
    },
    has: (name: Name, bytes: number, mtime: number): boolean => {
      const [first, second] = hash(name, bytes, mtime);
      return table.has(first, second);
    },
  };
};
