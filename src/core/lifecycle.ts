import type { Name } from '../name.ts';

/** What one look at the root shows of a directory. Times in nanoseconds since 1970; `birthNs` is 0n where the file system keeps none. */
export interface DirectorySnapshot {
  readonly name: Name;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly birthNs: bigint;
  readonly mtimeNs: bigint;
  readonly finishedParse: boolean;
  readonly finishedWatch: boolean;
  /** mtime of the marker that decides: `finished.watch`, else `finished.parse`. */
  readonly markedNs?: bigint;
  /** It was changed after `finished.watch` was written: a late file, probably. */
  readonly late?: boolean;
  /** The name of which its `finished.watch` speaks, where it has another one now. */
  readonly finishedAs?: Name;
  /** Others that a destination may hold for this one: of the same name but for case. */
  readonly twins?: readonly Name[];
}

export type NewestBy = 'birth' | 'name' | 'mtime';
export type ClosedBy = 'parser' | 'superseded';

/** What is to be done with a directory: contract.md §2. */
export type DirectoryPlan = { readonly directory: DirectorySnapshot } & (
  | { readonly phase: 'finished'; readonly closedBy: null }
  | { readonly phase: 'closed'; readonly closedBy: ClosedBy }
  | { readonly phase: 'open'; readonly closedBy: null }
);

/** A directory that was made again under its name may have the old one's inode too: its birth tells. */
export const isSameDirectory = (
  now: Pick<DirectorySnapshot, 'dev' | 'ino' | 'birthNs'> | undefined,
  before: DirectorySnapshot,
): boolean => now?.ino === before.ino && now.dev === before.dev && now.birthNs === before.birthNs;

/** The table of contract.md §2, oldest directory first. */
export const plan = (directories: readonly DirectorySnapshot[], newestBy: NewestBy): DirectoryPlan[] => {
  const ordered = oldestFirst(directories, newestBy);
  return ordered.map((directory, index) => {
    if (directory.finishedWatch) return { directory, phase: 'finished', closedBy: null };
    if (directory.finishedParse) return { directory, phase: 'closed', closedBy: 'parser' };
    if (index < ordered.length - 1) return { directory, phase: 'closed', closedBy: 'superseded' };
    return { directory, phase: 'open', closedBy: null };
  });
};

/** Made when names are compared at all: it takes as long as to read a small directory. */
let natural: Intl.Collator | undefined;

/** `DC2` before `DC10`; two names that the collator holds equal keep one order all the same. */
const byName = (a: DirectorySnapshot, b: DirectorySnapshot): number =>
  (natural ??= new Intl.Collator('en', { numeric: true })).compare(a.name, b.name) || (a.name < b.name ? -1 : 1);

const byTime = (timeOf: (one: DirectorySnapshot) => bigint) => (a: DirectorySnapshot, b: DirectorySnapshot) => {
  const [timeA, timeB] = [timeOf(a), timeOf(b)];
  return timeA === timeB ? byName(a, b) : timeA < timeB ? -1 : 1;
};

/** Two times that the kernel set one after the other may seem to be the other way around, by a tick of its coarse clock. */
const TICKS_NS = 50_000_000n;

/**
 * No directory is born after its marker was written: such a one was brought back, by `isocket restore` or by a copy that keeps times. It is as old as
 * its marker says, or it would be the newest, and the one that the parser is at superseded.
 */
export const isBroughtBack = (birthNs: bigint, markedNs: bigint): boolean => markedNs + TICKS_NS < birthNs;

const birthOf = ({ birthNs, markedNs }: DirectorySnapshot): bigint =>
  markedNs !== undefined && isBroughtBack(birthNs, markedNs) ? markedNs : birthNs;

/** The order that holds for all of them: one directory without a birth time makes the order of births worthless. */
export const orderOf = (directories: readonly DirectorySnapshot[], newestBy: NewestBy): NewestBy =>
  newestBy === 'birth' && directories.some(({ birthNs }) => birthNs === 0n) ? 'name' : newestBy;

const ORDERS = { birth: byTime(birthOf), mtime: byTime(({ mtimeNs }) => mtimeNs), name: byName };

const oldestFirst = (directories: readonly DirectorySnapshot[], newestBy: NewestBy): DirectorySnapshot[] =>
  directories.toSorted(ORDERS[orderOf(directories, newestBy)]);

/** In an order of `orderOf`. `than` undefined: it is not. */
export const isOlder = (one: DirectorySnapshot, than: DirectorySnapshot | undefined, order: NewestBy): boolean =>
  than !== undefined && ORDERS[order](one, than) < 0;

/** Live files go before the backlog; the backlog goes oldest first. */
export const liveFirst = (plans: readonly DirectoryPlan[]): DirectoryPlan[] => [
  ...plans.filter(({ phase }) => phase === 'open'),
  ...plans.filter(({ phase }) => phase === 'closed'),
];
