import type { BigIntStats } from 'node:fs';
import type { Name } from '../name.ts';
import type { DirectoryPlan, DirectorySnapshot } from './lifecycle.ts';

/** The files of one directory. */
export interface FileCount {
  readonly files: number;
  readonly bytes: number;
  readonly unsent: number;
  readonly unsentBytes: number;
  readonly skipped: number;
  readonly excluded: number;
  /** Of several destinations, the best-effort ones last: how many of the files each does not have. */
  readonly missing?: readonly number[];
  /** The first few names that isocket needs itself. */
  readonly reserved: readonly Name[];
  /** The unsent file that was changed longest ago. */
  readonly oldest: { readonly path: Name; readonly sinceMs: number } | undefined;
  /** Files that had the mark from their birth, so that whoever looks at marks alone takes them for sent. */
  readonly bornMarked: number;
  /** The last change of anything in it, as far as the disk says, in milliseconds since 1970. */
  readonly changedMs: number;
  /** Why something in it cannot be read, if so. */
  readonly unreadable: string | undefined;
}

/** What the daemon knows of a directory that is not finished. */
export interface SurveyedDirectory {
  readonly plan: DirectoryPlan;
  /** As the last listing that was through showed it, less what was sent since; undefined: none was through yet. */
  readonly count: FileCount | undefined;
  /** So old is that listing. */
  readonly ageMs: number;
  /** Files that wait in its queue or are in flight. */
  readonly queued: number;
  /** Has the record this file, as it is, for every destination? */
  readonly isSent: (stats: BigIntStats, path: Name) => boolean;
}

/** What the daemon knows of its site, without a look at the disk. */
export interface Survey {
  readonly unfinished: readonly SurveyedDirectory[];
  /** All directories, as the last listing of the root showed them: the same object until the next one. */
  readonly listed: readonly DirectorySnapshot[];
  /** Directories that cannot be worked on, and why. */
  readonly unworkable: ReadonlyMap<Name, string>;
}
