import type { Name } from '../name.ts';
import type { ContentSums } from './content-sums.ts';
import type { FileState } from './record-hash.ts';

/**
 * What a record says of one name at one destination. `confirmed`: it was confirmed in just this state. `changed`: it was, but in
 * another state: the file was touched or replaced since. `unknown`: this site never recorded the name for this destination.
 */
export type Knowledge = 'confirmed' | 'changed' | 'unknown';

/** With the device: who has it open for writing is still to be looked at. */
export interface PresumedState extends FileState {
  readonly dev: bigint;
}

/** What some of several destinations have, and the others do not yet. */
export interface PartlyPresumed {
  readonly state: PresumedState;
  readonly destinations: ReadonlySet<number>;
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
  /** As `addFor`, known to this process alone until `provePartly`. */
  presumeFor(path: Name, state: PresumedState, destination: number): void;
  /** What was presumed, and neither added nor doubted since. */
  readonly presumed: ReadonlyMap<Name, PresumedState>;
  /** What was presumed of the name holds no more, for all destinations or some: its file goes again. */
  doubt(path: Name): void;
  /** What was presumed for some destinations alone, and neither proved nor doubted since. */
  readonly partly: ReadonlyMap<Name, PartlyPresumed>;
  /** Nobody may write it any more: it is confirmed at the destinations that have it. */
  provePartly(path: Name): void;
  /** Where the site writes `SHA256SUMS`: of what was sent. */
  readonly sums?: ContentSums;
  /** There was no record: nobody worked on the directory in this state folder before. */
  readonly isFresh: boolean;
}
