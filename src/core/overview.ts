import { showName, type Name } from '../name.ts';

/** A directory in which so many files had the mark from their birth. */
export interface BornMarked {
  readonly directory: Name;
  readonly count: number;
}

export interface Unfinishable {
  readonly directory: Name;
  readonly cure: string;
}

/** Those with names that isocket needs itself. Pure. */
export const unfinishableIn = (
  counts: Iterable<{ readonly directory: Name; readonly phase: string; readonly reserved: readonly Name[] }>,
): Unfinishable[] =>
  [...counts].flatMap(({ directory, phase, reserved }) =>
    phase === 'closed' && reserved.length > 0 ? { directory, cure: renameCure(reserved) } : [],
  );

/** Pure. @param reserved the first few, at least one */
export const renameCure = (reserved: readonly Name[]): string =>
  `rename ${reserved.map(showName).join(', ')}, ${reserved.length === 1 ? 'a name' : 'names'} that isocket needs itself`;

/** What the daemon says is wrong with its site. */
export interface Overview {
  /** Why the root cannot be listed; undefined: it can. */
  readonly root: string | undefined;
  /** Files that failed and were not sent since. */
  readonly failing: readonly {
    readonly path: Name;
    readonly reason: string;
    /** What to do about it. */
    readonly hint?: string | undefined;
    readonly held: boolean;
  }[];
  /** Directories that may have unsent files. */
  readonly unsentIn: readonly Name[];
  /** Directories with files that had the mark from their birth; undefined: no file was met that would show it. */
  readonly bornMarked: readonly BornMarked[] | undefined;
  /** The open directory, and the last change of anything in it. */
  readonly open: { readonly directory: Name; readonly changedMs: number } | undefined;
  /** Closed directories that are never finished unless a person acts, and how. */
  readonly unfinishable: readonly Unfinishable[];
  /** Finished directories that were changed since. */
  readonly late: readonly Name[];
}
