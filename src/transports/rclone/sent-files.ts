import { randomBytes } from 'node:crypto';
import { HashTable } from '../../core/hash-table.ts';
import { createTextHash } from '../../core/half-siphash.ts';
import { wholeSeconds, type ExpectedFile, type Name, type OutgoingFile } from '../../transport.ts';

/** 12 to 23 MB. */
const MOST_FILES = 500_000;
/** A table for a few files takes as much memory as that many. */
export const DIRECTORY_COSTS = 512;

type Sent = Pick<ExpectedFile, 'targetPath' | 'size' | 'mtimeSeconds'>;

interface Directory {
  readonly states: HashTable;
  /** Since a file of it was sent. */
  wasAsked: boolean;
}

/**
 * In which state files were sent last, as far as a destination without times and sums can be asked for it: by hashes, 23 to 46 bytes each.
 * Beyond a bound directories are forgotten whole: those used longest ago, and first those that were asked for since, as what is finished was.
 * What is forgotten counts as not sent by us. The directory in use stays however big it is: forgotten in part, it would be sent for ever.
 */
export class SentFiles {
  /** What was used last comes last. */
  readonly #directories = new Map<Name, Directory>();
  readonly #most: number;
  readonly #hash = createTextHash(randomBytes(8));
  #files = 0;

  /** @param most files; each directory counts as `DIRECTORY_COSTS` more */
  constructor(most = MOST_FILES) {
    this.#most = most;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#files;
  }

  note({ targetPath, identity: { size, mtimeNs } }: Pick<OutgoingFile, 'targetPath' | 'identity'>): void {
    const name = directoryOf(targetPath);
    const directory = this.#directories.get(name) ?? { states: new HashTable({ values: true }), wasAsked: false };
    this.#use(name, directory, false);
    const before = directory.states.size;
    const state = stateOf({ size, mtimeSeconds: wholeSeconds(mtimeNs) });
    directory.states.set(...this.#hash(targetPath), ...this.#hash(state));
    this.#files += directory.states.size - before;
    this.#forgetOthers(name);
  }

  /** Whether it was sent last in that state, and is not forgotten. */
  has(file: Sent): boolean {
    const name = directoryOf(file.targetPath);
    const directory = this.#directories.get(name);
    if (directory === undefined) return false;
    this.#use(name, directory, true);
    return directory.states.holds(...this.#hash(file.targetPath), ...this.#hash(stateOf(file))) === true;
  }

  #use(name: Name, directory: Directory, wasAsked: boolean): void {
    directory.wasAsked = wasAsked;
    this.#directories.delete(name);
    this.#directories.set(name, directory);
  }

  #forgetOthers(inUse: Name): void {
    for (const onlyAsked of [true, false]) {
      for (const [name, { states, wasAsked }] of this.#directories) {
        if (this.#files + this.#directories.size * DIRECTORY_COSTS <= this.#most) return;
        if (name === inUse || (onlyAsked && !wasAsked)) continue;
        this.#directories.delete(name);
        this.#files -= states.size;
      }
    }
  }
}

const directoryOf = (path: Name): Name => path.slice(0, Math.max(0, path.indexOf('/')));

const stateOf = ({ size, mtimeSeconds }: Pick<Sent, 'size' | 'mtimeSeconds'>): string => `${size} ${mtimeSeconds}`;
