import type { Name } from '../name.ts';

/** What the daemon says is wrong with its site. */
export interface Overview {
  /** Why the root cannot be listed; undefined: it can. */
  readonly root: string | undefined;
  /** Files that failed and were not sent since. */
  readonly failing: readonly { readonly path: Name; readonly reason: string; readonly held: boolean }[];
  /** Directories that may have unsent files. */
  readonly unsentIn: readonly Name[];
  /** Finished directories that were changed since. */
  readonly late: readonly Name[];
}
