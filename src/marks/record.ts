import { randomBytes } from 'node:crypto';
import type { HashTable } from '../core/hash-table.ts';
import { systemErrorCode } from '../errors.ts';
import type { Name } from '../name.ts';
import { openRecordFile, type OnFailure, type RecordFile } from './record-file.ts';
import { emptyTable, HEADER_BYTES, loadRecord, MAGIC, writeWhole } from './record-format.ts';
import { createRecordHash, inNoState, type DestinationKey, type FileState, type RecordHash } from './record-hash.ts';
import { ContentSums } from './content-sums.ts';
import { sumsPath, type StateFolder } from './state.ts';

/**
 * What a record says of one name at one destination. `confirmed`: it was confirmed in just this state. `changed`: it was, but in
 * another state: the file was touched or replaced since. `unknown`: this site never recorded the name for this destination.
 */
export type Knowledge = 'confirmed' | 'changed' | 'unknown';

/** With the device: who has it open for writing is still to be looked at. */
export interface PresumedState extends FileState {
  readonly dev: bigint;
}

/**
 * What proves a mark (contract.md §3): for each name and destination the state of the file right after our `chmod`. Any touch since, by
 * anybody, changed that state; another name, or another destination, has no entry.
 */
export interface MarkRecord extends Disposable {
  /** Over all destinations: the weakest of what is known. */
  lookUp(path: Name, state: FileState): Knowledge;
  /** At one destination, by its index. */
  has(path: Name, state: FileState, destination: number): boolean;
  /** The name was recorded, in whatever state. */
  knows(path: Name): boolean;
  /** Some destination confirmed this state to this process: its file is to be verified. */
  isNew(path: Name): boolean;
  /** Every destination confirmed it to this process. */
  add(path: Name, state: FileState): void;
  /** Every destination was asked and has it: it need not be verified once more. */
  addClaimed(path: Name, state: FileState): void;
  /** One destination has it, the others not yet. */
  addFor(path: Name, state: FileState, destination: number): void;
  /** As `add`, known to this process alone until `add` is called: it counts as confirmed meanwhile, and a crash leaves it unsent. */
  presume(path: Name, state: PresumedState): void;
  /** As `addFor`, known to this process alone. */
  presumeFor(path: Name, state: FileState, destination: number): void;
  /** What was presumed, and neither added nor doubted since. */
  readonly presumed: ReadonlyMap<Name, PresumedState>;
  /** What was presumed of the name holds no more: its file goes again. */
  doubt(path: Name): void;
  /** Where the site writes `SHA256SUMS`: of what was sent. */
  readonly sums?: ContentSums;
  /** There was no record: nobody worked on the directory in this state folder before. */
  readonly isFresh: boolean;
}

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

/** The record as it is, without touching it: another process may be writing it. undefined where there is none, or none for us to read. */
export const readRecord = (
  path: string,
  destinations: readonly DestinationKey[],
): Pick<MarkRecord, 'lookUp'> | undefined => {
  try {
    const loaded = loadRecord(path, Infinity, { compacts: false });
    return loaded && new HashedRecord({ ...loaded, destinations, file: undefined, isFresh: false });
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
    for (const index of this.#destinations.keys()) this.presumeFor(path, state, index);
    this.presumed.set(path, state);
  }

  presumeFor(path: Name, state: FileState, destination: number): void {
    this.#added.set(...this.#hash.name(path, this.#keyOf(destination)), ...this.#hash.state(state));
  }

  doubt(path: Name): void {
    const state = this.presumed.get(path);
    if (state !== undefined) this.add(path, inNoState(state));
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.sums?.[Symbol.dispose]();
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
