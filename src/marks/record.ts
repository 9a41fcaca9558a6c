import { randomBytes } from 'node:crypto';
import type { HashTable } from '../core/hash-table.ts';
import { systemErrorCode } from '../errors.ts';
import type { Name } from '../name.ts';
import { openRecordFile, type OnFailure, type RecordFile } from './record-file.ts';
import { emptyTable, HEADER_BYTES, loadRecord, MAGIC, writeWhole } from './record-format.ts';
import { createRecordHash, inNoState, type DestinationKey, type FileState, type RecordHash } from './record-hash.ts';
import { ContentSums } from './content-sums.ts';
import type { Knowledge, MarkRecord, PartlyPresumed, PresumedState } from './mark-record.ts';
import { sumsPath, type StateFolder } from './state.ts';

/**
 * Opens the record of a directory, or begins one. A record of another version counts as none: marks are claims then.
 * @param newFrom the byte from which on it was written by this process, which may have opened it before
 * @throws UserError with exit code 3 where the state folder cannot be written
 */
export const openRecord = (
  path: string,
  destinations: readonly DestinationKey[],
  onFailure: OnFailure,
  newFrom = Infinity,
): HashedRecord => {
  const loaded = loadRecord(path, newFrom);
  if (loaded === undefined) return beginRecord(path, destinations, onFailure);
  const { hash, before, added, end } = loaded;
  const file = openRecordFile(path, end, onFailure);
  return new HashedRecord({ hash, before, added, destinations, file, isFresh: false });
};

/**
 * The record of a directory in a site's state. What an earlier look of this process added to it counts as new.
 * @param sums keep the sums of what is sent beside it
 */
export const openDirectoryRecord = (
  state: Pick<StateFolder, 'recordPath' | 'recordedBefore'>,
  directory: Name,
  destinations: readonly DestinationKey[],
  onFailure: OnFailure,
  { sums = false }: { readonly sums?: boolean } = {},
): MarkRecord => {
  const newFrom = state.recordedBefore(directory) || Infinity;
  const path = state.recordPath(directory);
  const record = openRecord(path, destinations, onFailure, newFrom);
  state.recordedBefore(directory); // A record that was begun just now holds nothing of earlier processes.
  if (sums) record.sums = new ContentSums(sumsPath(path), onFailure);
  return record;
};

/** Begins an empty record in place of any that is there. It appears whole or not at all. @throws UserError, exit code 3 */
export const beginRecord = (
  path: string,
  destinations: readonly DestinationKey[],
  onFailure: OnFailure,
): HashedRecord => {
  const key = randomBytes(8);
  writeWhole(path, [MAGIC, key]);
  const file = openRecordFile(path, HEADER_BYTES, onFailure);
  const [before, added] = [emptyTable(), emptyTable()];
  return new HashedRecord({ hash: createRecordHash(key), before, added, destinations, file, isFresh: true });
};

export type ReadRecord = Pick<MarkRecord, 'lookUp' | 'has'>;

/** The record as it is, without touching it: another process may be writing it. undefined where there is none, or none for us to read. */
export const readRecord = (path: string, destinations: readonly DestinationKey[]): ReadRecord | undefined =>
  readRecordFor(path, [destinations])?.[0];

/** The same, read once, for each of several lists of destinations. */
export const readRecordFor = (
  path: string,
  lists: readonly (readonly DestinationKey[])[],
): readonly ReadRecord[] | undefined => {
  try {
    const loaded = loadRecord(path, Infinity, { compacts: false });
    return (
      loaded &&
      lists.map((destinations) => new HashedRecord({ ...loaded, destinations, file: undefined, isFresh: false }))
    );
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
};

/** A record that is kept nowhere: for looking without leaving a trace. */
export const createMemoryRecord = (destinations: readonly DestinationKey[] = [[0, 0]]): MarkRecord => {
  const hash = createRecordHash(randomBytes(8));
  return new HashedRecord({
    hash,
    before: emptyTable(),
    added: emptyTable(),
    destinations,
    file: undefined,
    isFresh: true,
  });
};

interface HashedRecordParts {
  readonly hash: RecordHash;
  /** What earlier processes confirmed, and what this one did, which goes first. */
  readonly before: HashTable;
  readonly added: HashTable;
  readonly destinations: readonly DestinationKey[];
  readonly file: RecordFile | undefined;
  readonly isFresh: boolean;
}

class HashedRecord implements MarkRecord {
  readonly isFresh: boolean;
  readonly presumed = new Map<Name, PresumedState>();
  readonly partly = new Map<Name, PartlyPresumed>();
  sums?: ContentSums;
  readonly #hash: RecordHash;
  readonly #before: HashTable;
  readonly #added: HashTable;
  readonly #destinations: readonly DestinationKey[];
  readonly #file: RecordFile | undefined;

  constructor({ hash, before, added, destinations, file, isFresh }: HashedRecordParts) {
    this.isFresh = isFresh;
    this.#hash = hash;
    this.#before = before;
    this.#added = added;
    this.#destinations = destinations;
    this.#file = file;
  }

  lookUp(path: Name, state: FileState): Knowledge {
    if (this.#added.size + this.#before.size === 0) return 'unknown';
    const [value0, value1] = this.#hash.state(state);
    let weakest: Knowledge = 'confirmed';
    for (const destination of this.#destinations) {
      const known = this.#holds(path, destination, value0, value1);
      if (known === false) return 'changed';
      if (known === undefined) weakest = 'unknown';
    }
    return weakest;
  }

  has(path: Name, state: FileState, destination: number): boolean {
    const [value0, value1] = this.#hash.state(state);
    return this.#holds(path, this.#keyOf(destination), value0, value1) === true;
  }

  knows(path: Name): boolean {
    return this.#destinations.some((destination) => this.#holds(path, destination, 0, 0) !== undefined);
  }

  isNew(path: Name): boolean {
    return this.#destinations.some((destination) => this.#added.has(...this.#hash.name(path, destination)));
  }

  add(path: Name, state: FileState): void {
    this.presumed.delete(path);
    this.partly.delete(path);
    const value = this.#hash.state(state);
    for (const destination of this.#destinations) this.#set(this.#hash.name(path, destination), value);
  }

  addClaimed(path: Name, state: FileState): void {
    const [value0, value1] = this.#hash.state(state);
    for (const destination of this.#destinations) {
      const [key0, key1] = this.#hash.name(path, destination);
      this.#before.set(key0, key1, value0, value1);
      this.#file?.append(key0, key1, value0, value1);
    }
  }

  addFor(path: Name, state: FileState, destination: number): void {
    this.presumed.delete(path);
    this.#set(this.#hash.name(path, this.#keyOf(destination)), this.#hash.state(state));
  }

  presume(path: Name, state: PresumedState): void {
    for (const index of this.#destinations.keys()) this.#presumeAt(path, state, index);
    this.partly.delete(path);
    this.presumed.set(path, state);
  }

  presumeFor(path: Name, state: PresumedState, destination: number): void {
    this.#presumeAt(path, state, destination);
    const { state: before, destinations = [] } = this.partly.get(path) ?? {};
    const others = before?.ctimeNs === state.ctimeNs && before.size === state.size ? destinations : [];
    this.partly.set(path, { state, destinations: new Set([...others, destination]) });
  }

  provePartly(path: Name): void {
    const { state, destinations = [] } = this.partly.get(path) ?? {};
    this.partly.delete(path);
    if (state !== undefined) for (const index of destinations) this.addFor(path, state, index);
  }

  doubt(path: Name): void {
    const state = this.presumed.get(path) ?? this.partly.get(path)?.state;
    if (state !== undefined) this.add(path, inNoState(state));
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.sums?.[Symbol.dispose]();
  }

  #presumeAt(path: Name, state: FileState, destination: number): void {
    this.#added.set(...this.#hash.name(path, this.#keyOf(destination)), ...this.#hash.state(state));
  }

  #holds(path: Name, destination: DestinationKey, value0: number, value1: number): boolean | undefined {
    const [key0, key1] = this.#hash.name(path, destination);
    return this.#added.holds(key0, key1, value0, value1) ?? this.#before.holds(key0, key1, value0, value1);
  }

  #set([key0, key1]: readonly [number, number], [value0, value1]: readonly [number, number]): void {
    this.#added.set(key0, key1, value0, value1);
    this.#file?.append(key0, key1, value0, value1);
  }

  #keyOf(destination: number): DestinationKey {
    const key = this.#destinations[destination];
    if (key === undefined) throw new RangeError(`there is no destination ${destination}`);
    return key;
  }
}
