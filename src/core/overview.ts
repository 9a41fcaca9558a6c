import type { Name } from '../name.ts';

/** A directory in which so many files had the mark from their birth. */
export interface BornMarked {
  readonly directory: Name;
  readonly count: number;
}

/** What the daemon says is wrong with its site. */
export interface Overview {
  /** Why the root cannot be listed; undefined: it can. */
  readonly root: string | undefined;
  /** Files that failed and were not sent since. */
  readonly failing: readonly { readonly path: Name; readonly reason: string; readonly held: boolean }[];
  /** Directories that may have unsent files. */
  readonly unsentIn: readonly Name[];
  /** Directories with files that had the mark from their birth; undefined: no file was met that would show it. */
  readonly bornMarked: readonly BornMarked[] | undefined;
  /** The open directory, and the last change of anything in it. */
  readonly open: { readonly directory: Name; readonly changedMs: number } | undefined;
  /** Finished directories that were changed since. */
  readonly late: readonly Name[];
}
