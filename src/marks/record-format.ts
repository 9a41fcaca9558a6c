import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HashTable } from '../core/hash-table.ts';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';
import { createRecordHash, type RecordHash } from './record-hash.ts';

// A record: 8 bytes of magic with the version, 8 bytes of key, then entries of 16 bytes: hash of name and destination, hash of state.
export const HEADER_BYTES = 16;
const ENTRY_BYTES = 16;
export const MAGIC = Buffer.from('isocket\x02', 'latin1');
/** Entries that were replaced by later ones are dropped when the record is opened and they are more than these and half of it. */
const MOST_REPLACED = 4096;

export const emptyTable = (): HashTable => new HashTable({ values: true });

export interface LoadedRecord {
  readonly hash: RecordHash;
  readonly before: HashTable;
  readonly added: HashTable;
  /** The byte behind the last whole entry. */
  readonly end: number;
}

/** undefined where there is none, or one of another version. */
export const loadRecord = (path: string, newFrom: number, { compacts = true } = {}): LoadedRecord | undefined => {
  const bytes = readOrNothing(path);
  if (bytes === undefined || bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  const hash = createRecordHash(bytes.subarray(8, HEADER_BYTES));
  const [before, added] = [emptyTable(), emptyTable()];
  // A torn last entry, from a crash, goes: what follows must stay aligned.
  const end = bytes.length - ((bytes.length - HEADER_BYTES) % ENTRY_BYTES);
  for (let at = HEADER_BYTES; at < end; at += ENTRY_BYTES) {
    const key1 = bytes.readUInt32LE(at + 4);
    if (key1 === 0) continue; // A power cut leaves zeros.
    (at + ENTRY_BYTES > newFrom ? added : before).set(
      bytes.readUInt32LE(at),
      key1,
      bytes.readUInt32LE(at + 8),
      bytes.readUInt32LE(at + 12),
    );
  }
  const entries = (end - HEADER_BYTES) / ENTRY_BYTES;
  const replaced = entries - before.size;
  if (compacts && added.size === 0 && replaced > Math.max(MOST_REPLACED, entries / 2)) {
    return { hash, before, added, end: compactRecord(path, bytes, end) };
  }
  return { hash, before, added, end };
};

/** Keeps the last entry of each name. Returns the new end. */
const compactRecord = (path: string, bytes: Buffer, end: number): number => {
  const last = new Map<bigint, number>();
  for (let at = HEADER_BYTES; at < end; at += ENTRY_BYTES) last.set(bytes.readBigUInt64LE(at) | 0x1_0000_0000n, at);
  const kept = [...last.values()].toSorted((a, b) => a - b).map((at) => bytes.subarray(at, at + ENTRY_BYTES));
  writeWhole(path, [bytes.subarray(0, HEADER_BYTES), ...kept]);
  return HEADER_BYTES + kept.length * ENTRY_BYTES;
};

export const readOrNothing = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
};

/** The file appears whole or not at all. @throws UserError with exit code 3 */
export const writeWhole = (path: string, parts: readonly Buffer[]): void => {
  // "=" begins no record's name.
  const temporary = join(dirname(path), '=new');
  try {
    const descriptor = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(descriptor, Buffer.concat(parts));
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    throw new UserError(`Cannot begin the record of marks "${path}": ${errorMessage(error)}`, {
      hint: 'make room for the state folder, and let the user that runs isocket write it',
      exitCode: 3,
      cause: error,
    });
  }
};
