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

const FIRST_SLOTS = 1024;
/** Of all slots, so many may be taken. */
const MOST_LOAD = 0.7;

/** Files by their fingerprint, in flat memory: 12 to 23 bytes each. A million files are no million objects. */
export const createFileSet = (hash: KeyedHash = listingHash) => {
  // Two numbers a slot. The second is always odd: 0 is a free one.
  let slots = new Uint32Array(FIRST_SLOTS * 2);
  let size = 0;

  /** Where the pair is, or the free slot where it belongs. */
  const find = (first: number, second: number): number => {
    const mask = slots.length - 1;
    let at = (first << 1) & mask;
    while (slots[at + 1] !== 0 && !(slots[at] === first && slots[at + 1] === second)) at = (at + 2) & mask;
    return at;
  };
  const grow = (): void => {
    const old = slots;
    slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      const place = find(old[at] ?? 0, old[at + 1] ?? 0);
      slots[place] = old[at] ?? 0;
      slots[place + 1] = old[at + 1] ?? 0;
    }
  };

  return {
    add: (name: Name, bytes: number, mtime: number): void => {
      if ((size + 1) * 2 > slots.length * MOST_LOAD) grow();
      const [first, last] = hash(name, bytes, mtime);
      const second = (last | 1) >>> 0;
      const at = find(first, second);
      if (slots[at + 1] === 0) size += 1;
      slots[at] = first;
      slots[at + 1] = second;
    },
    has: (name: Name, bytes: number, mtime: number): boolean => {
      const [first, last] = hash(name, bytes, mtime);
      return slots[find(first, (last | 1) >>> 0) + 1] !== 0;
    },
  };
};
