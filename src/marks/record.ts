import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodeName, type Name } from '../name.ts';
import { InodeSet } from './inode-set.ts';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';

/** Of a file's stats, what the record looks at. */
export interface InodeState {
  readonly ino: bigint;
  readonly ctimeNs: bigint;
  readonly nlink: bigint;
}

const ENTRY_BYTES = 16;

/**
 * The second half of the mark (contract.md §3): inode and ctime of each file right after our `chmod`. A marked file counts
 * as sent while its pair is in here: any touch since, by anybody, moved the ctime.
 *
 * Two names of one inode share its mark, but each must be delivered: with more than one link the name is part of the entry.
 */
export interface MarkRecord extends Disposable {
  /** This name of the file is delivered, and nothing has touched the inode since. */
  has(state: InodeState, path: Name): boolean;
  /** Some name of this inode is delivered, and nothing has touched it since. */
  hasInode(state: InodeState): boolean;
  /** Nobody ever worked on the directory before this process. */
  readonly isFresh: boolean;
  /** Was it added by this process? */
  isNew(state: InodeState, path: Name): boolean;
  add(state: InodeState, path: Name): void;
}

/**
 * Opens the record at `path`. undefined where there is none: the directory was never looked at, or the state was lost.
 * @param newFrom the byte from which on it was written by this process, which may have opened it before
 */
export const openRecord = (path: string, onFailure: OnFailure = ignore, newFrom = Infinity): MarkRecord | undefined => {
  try {
    return useRecord(path, { isFresh: false, newFrom }, onFailure);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
};

/** A look at the record, without touching it: another process may be writing it. undefined where there is none, or none for us to read. */
export const readRecord = (path: string): Pick<MarkRecord, 'has'> | undefined => {
  const pairs = new InodeSet();
  try {
    const descriptor = openSync(path, 'r');
    try {
      loadEntries(descriptor, () => pairs);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
  return { has: (state, name) => pairs.has(state.ino, pathKey(state, name)) };
};

/**
 * Begins a record with the marks found on the disk. It appears whole or not at all.
 * @throws UserError with exit code 3 where the state folder cannot be written
 */
export const createRecord = (
  path: string,
  adopted: Iterable<readonly [InodeState, Name]>,
  onFailure: OnFailure = ignore,
): MarkRecord => {
  const ours = <T>(use: () => T): T => {
    try {
      return use();
    } catch (error) {
      throw new UserError(`Cannot begin the record of marks "${path}": ${errorMessage(error)}`, {
        hint: 'make room for the state folder, and let the user that runs isocket write it',
        exitCode: 3,
        cause: error,
      });
    }
  };
  // "=" begins no record's name.
  const temporary = join(dirname(path), '=new');
  const descriptor = ours(() => openSync(temporary, 'w', 0o600));
  let isFresh = true;
  try {
    for (const [state, name] of adopted) {
      ours(() => writeEntry(descriptor, state.ino, state.ctimeNs));
      if (state.nlink > 1n) ours(() => writeEntry(descriptor, state.ino, pathKey(state, name)));
      isFresh = false;
    }
    if (!isFresh) ours(() => fsyncSync(descriptor)); // An empty file is whole as it is.
  } finally {
    closeSync(descriptor);
  }
  return ours(() => {
    renameSync(temporary, path);
    return useRecord(path, { isFresh, newFrom: Infinity }, onFailure);
  });
};

/** Told in words when the record can no longer be written. */
export type OnFailure = (message: string) => void;

const ignore = (): void => undefined;

/** A record that is kept nowhere: for looking without leaving a trace. */
export const createMemoryRecord = (adopted: Iterable<readonly [InodeState, Name]>): MarkRecord => {
  const nowhere = { isFresh: true, append: () => undefined, close: () => undefined };
  const record = recordOver(new InodeSet(), new InodeSet(), nowhere);
  for (const [state, name] of adopted) record.add(state, name);
  return record;
};

const useRecord = (
  path: string,
  { isFresh, newFrom }: { readonly isFresh: boolean; readonly newFrom: number },
  onFailure: OnFailure,
): MarkRecord => {
  const descriptor = openSync(path, 'r+');
  const before = new InodeSet();
  const added = new InodeSet();
  let position = loadEntries(descriptor, (end) => (end > newFrom ? added : before));
  // A torn last entry, from a crash, goes: what follows must stay aligned.
  ftruncateSync(descriptor, position);
  const buffer = Buffer.alloc(256 * ENTRY_BYTES);
  let buffered = 0;
  let isScheduled = false;
  let isBroken = false;
  // One write a turn of the event loop, not one a file. What a crash takes from the buffer is sent again, no more.
  const flush = (): void => {
    isScheduled = false;
    const length = buffered;
    buffered = 0;
    if (isBroken) return;
    try {
      let written = 0;
      while (written < length) written += writeSync(descriptor, buffer, written, length - written, position + written);
      position += length;
    } catch (error) {
      // The marks of this run hold while it lasts; the next run sends again what is not in the file.
      isBroken = true;
      ftruncateSync(descriptor, position);
      onFailure(`Cannot write the record of marks "${path}": ${errorMessage(error)}. Files it does not hold go twice`);
    }
  };
  const append = (ino: bigint, key: bigint): void => {
    buffered = encodeEntry(buffer, buffered, ino, key);
    if (buffered === buffer.length) flush();
    else if (!isScheduled) {
      isScheduled = true;
      setImmediate(() => {
        if (isScheduled) flush();
      });
    }
  };
  const close = (): void => {
    flush();
    closeSync(descriptor);
  };
  return recordOver(before, added, { isFresh, append, close });
};

interface Storage {
  readonly isFresh: boolean;
  readonly append: (ino: bigint, key: bigint) => void;
  readonly close: () => void;
}

const recordOver = (before: InodeSet, added: InodeSet, { isFresh, append, close }: Storage): MarkRecord => {
  const has = (ino: bigint, key: bigint): boolean => added.has(ino, key) || before.has(ino, key);
  const add = (ino: bigint, key: bigint): void => {
    append(ino, key);
    added.add(ino, key);
  };
  return {
    isFresh,
    has: (state, name) => has(state.ino, pathKey(state, name)),
    hasInode: (state) => has(state.ino, state.ctimeNs),
    isNew: (state, name) => added.has(state.ino, pathKey(state, name)),
    add: (state, name) => {
      if (!has(state.ino, state.ctimeNs)) add(state.ino, state.ctimeNs);
      if (state.nlink > 1n) add(state.ino, pathKey(state, name));
    },
    [Symbol.dispose]: close,
  };
};

/** @param into where an entry goes that ends at that byte */
const loadEntries = (descriptor: number, into: (end: number) => InodeSet): number => {
  const bytes = readFileSync(descriptor);
  const end = bytes.length - (bytes.length % ENTRY_BYTES);
  for (let at = 0; at < end; at += ENTRY_BYTES) {
    const ino = bytes.readBigUInt64LE(at);
    const key = bytes.readBigUInt64LE(at + 8);
    if (ino !== 0n) into(at + ENTRY_BYTES).add(ino, key); // A power cut leaves zeros.
  }
  return end;
};

/** Returns where the next entry begins. */
const encodeEntry = (buffer: Buffer, at: number, ino: bigint, key: bigint): number => {
  buffer.writeBigUInt64LE(BigInt.asUintN(64, ino), at);
  return buffer.writeBigUInt64LE(BigInt.asUintN(64, key), at + 8);
};

const writeEntry = (descriptor: number, ino: bigint, key: bigint): void => {
  const entry = Buffer.alloc(ENTRY_BYTES);
  encodeEntry(entry, 0, ino, key);
  writeSync(descriptor, entry);
};

/** The second number of an entry: the ctime, mixed with the name where the inode has several. */
const pathKey = ({ ctimeNs, nlink }: InodeState, path: Name): bigint =>
  nlink > 1n ? ctimeNs ^ createHash('sha256').update(encodeName(path)).digest().readBigUInt64LE(0) : ctimeNs;
