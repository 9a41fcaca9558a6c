import { randomBytes } from 'node:crypto';
import { createHalfSipHash } from '../core/half-siphash.ts';
import { HashTable } from '../core/hash-table.ts';
import { errorMessage } from '../errors.ts';
import type { Name } from '../name.ts';
import { openAppendFile, type AppendFile, type OnFailure } from './record-file.ts';
import { HEADER_BYTES, readOrNothing, writeWhole } from './record-format.ts';
import { createRecordHash, type FileState, type RecordHash } from './record-hash.ts';

// A file of sums: 8 bytes of magic with the version, 8 bytes of key, then entries: hash of name, hash of state and sum, SHA-256.
const MAGIC = Buffer.from('isosums\x01', 'latin1');
const KEY_BYTES = 16;
const SUM_BYTES = 32;
const ENTRY_BYTES = KEY_BYTES + SUM_BYTES;
/** Entries that later ones replaced are dropped when the file is opened and they are more than these and half of it. */
const MOST_REPLACED = 4096;
const FIRST_ROWS = 256;
const NO_DESTINATION = [0, 0] as const;

/**
 * The SHA-256 of each file's content in the state in which it was sent, beside the record of a directory, for its `SHA256SUMS`. Kept only
 * where the site writes them. What is lost of it is read once more.
 */
export class ContentSums implements Disposable {
  readonly #hash: RecordHash;
  readonly #check: (state: FileState, sum: Buffer) => bigint;
  readonly #file: AppendFile;
  /** By the hash of a name: the row of its entry. */
  readonly #rows = new HashTable({ values: true });
  #entries = Buffer.alloc(FIRST_ROWS * ENTRY_BYTES);

  /** @throws UserError with exit code 3 where the state folder cannot be written */
  constructor(path: string, onFailure: OnFailure) {
    const { key, entries } = load(path);
    this.#hash = createRecordHash(key);
    this.#check = createCheck(key);
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) this.#keep(entries.subarray(at, at + ENTRY_BYTES));
    const count = entries.length / ENTRY_BYTES;
    const isMostlyReplaced = count - this.#rows.size > Math.max(MOST_REPLACED, count / 2);
    const kept = isMostlyReplaced ? this.#entries.subarray(0, this.#rows.size * ENTRY_BYTES) : entries;
    if (isMostlyReplaced || count === 0) writeWhole(path, [MAGIC, key, kept]);
    this.#file = openAppendFile(path, HEADER_BYTES + kept.length, {
      entryBytes: ENTRY_BYTES,
      onFailure: (error) =>
        onFailure(
          `Cannot write the sums of files "${path}": ${errorMessage(error)}; what it lacks is read once more for SHA256SUMS`,
        ),
    });
  }

  /** @param sum of the content that the file has in this state */
  add(path: Name, state: FileState, sum: Buffer): void {
    const at = this.#file.take();
    const entry = this.#file.buffer.subarray(at, at + ENTRY_BYTES);
    const [name0, name1] = this.#hash.name(path, NO_DESTINATION);
    entry.writeUInt32LE(name0 >>> 0, 0);
    entry.writeUInt32LE((name1 | 1) >>> 0, 4);
    entry.writeBigUInt64LE(this.#check(state, sum), 8);
    sum.copy(entry, KEY_BYTES, 0, SUM_BYTES);
    this.#keep(entry);
  }

  /** In hexadecimal digits; undefined where the content in just this state is not known. */
  of(path: Name, state: FileState): string | undefined {
    const row = this.#rows.firstOf(...this.#hash.name(path, NO_DESTINATION));
    if (row === undefined) return undefined;
    const entry = this.#entries.subarray(row * ENTRY_BYTES, (row + 1) * ENTRY_BYTES);
    const sum = entry.subarray(KEY_BYTES);
    return entry.readBigUInt64LE(8) === this.#check(state, sum) ? sum.toString('hex') : undefined;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  #keep(entry: Buffer): void {
    const [name0, name1] = [entry.readUInt32LE(0), entry.readUInt32LE(4)];
    if (name1 === 0) return; // A power cut leaves zeros.
    const row = this.#rows.firstOf(name0, name1) ?? this.#rows.size;
    this.#rows.set(name0, name1, row);
    if ((row + 1) * ENTRY_BYTES > this.#entries.length)
      this.#entries = Buffer.concat([this.#entries], this.#entries.length * 2);
    entry.copy(this.#entries, row * ENTRY_BYTES);
  }
}

/** Over the sum as well: half of an entry that a power cut left is taken for none. */
const createCheck = (key: Buffer): ((state: FileState, sum: Buffer) => bigint) => {
  const hash = createHalfSipHash(key);
  const numbers = new BigInt64Array(8);
  const words = new Int32Array(numbers.buffer);
  return ({ ino, size, mtimeNs, ctimeNs }, sum) => {
    numbers[0] = ino;
    numbers[1] = size;
    numbers[2] = mtimeNs;
    numbers[3] = ctimeNs;
    for (let at = 0; at < SUM_BYTES; at += 4) words[8 + at / 4] = sum.readInt32LE(at);
    const [first, second] = hash(words, words.length);
    return (BigInt(first >>> 0) << 32n) | BigInt(second >>> 0);
  };
};

/** Nothing where there is no such file, or one of another version. A torn last entry, from a crash, is left out. */
const load = (path: string): { readonly key: Buffer; readonly entries: Buffer } => {
  const bytes = readOrNothing(path);
  if (bytes === undefined || bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
    return { key: randomBytes(8), entries: Buffer.alloc(0) };
  const end = bytes.length - ((bytes.length - HEADER_BYTES) % ENTRY_BYTES);
  return { key: bytes.subarray(MAGIC.length, HEADER_BYTES), entries: bytes.subarray(HEADER_BYTES, end) };
};
