import { createHash } from 'node:crypto';
import { createHalfSipHash, createTextHash, type Hash64 } from '../core/half-siphash.ts';
import type { Name } from '../name.ts';

/** What must be as it was right after our `chmod`, or the file is no longer the one that was confirmed. Times in nanoseconds. */
export interface FileState {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** In no state that a file can have: the name is known, and what bears it is not confirmed. */
export const inNoState = ({ ino, mtimeNs, ctimeNs }: FileState): FileState => ({ ino, size: -1n, mtimeNs, ctimeNs });

/**
 * Of a file that bears no mark: no state of a marked one, though a mark that was taken off within the tick in which it was set leaves the
 * times that the record holds.
 */
export const asUnmarked = ({ ino, size, mtimeNs, ctimeNs }: FileState): FileState => ({
  ino,
  size: -2n - size,
  mtimeNs,
  ctimeNs,
});

/** Stands for one destination in a record: 64 bits of a hash of its identity. */
export type DestinationKey = Hash64;

const destinationKey = (identity: string): DestinationKey => {
  const digest = createHash('sha256').update(identity).digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
};

export const destinationKeys = (destinations: readonly { readonly identity: string }[]): DestinationKey[] =>
  destinations.map(({ identity }) => destinationKey(identity));

export interface RecordHash {
  /** Of a file's name below its directory, at one destination. */
  name(path: Name, destination: DestinationKey): Hash64;
  state(state: FileState): Hash64;
}

/** @param key 8 bytes, each record's own: whoever chooses names cannot choose them to collide */
export const createRecordHash = (key: Buffer): RecordHash => {
  const hash = createHalfSipHash(key);
  const numbers = new BigInt64Array(4);
  const stateWords = new Int32Array(numbers.buffer);
  const hashText = createTextHash(key);
  return {
    name: (path, [first, second]) => hashText(path, first, second),
    state: ({ ino, size, mtimeNs, ctimeNs }) => {
      numbers[0] = ino;
      numbers[1] = size;
      numbers[2] = mtimeNs;
      numbers[3] = ctimeNs;
      return hash(stateWords, 8);
    },
  };
};
