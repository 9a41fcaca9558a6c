import type { BigIntStats } from 'node:fs';
import type { Name } from '../../name.ts';
import type { Stored } from './directory-plan.ts';

/** Where a directory is brought back to. */
export interface Place extends Disposable {
  /** The folder in which it stands while it is brought back, and its name there. */
  readonly base: Name;
  readonly name: Name;
  /** Beside it: a transport may make files there. */
  readonly scratch: Name;
  /** Is the file to bear the mark? */
  readonly isMarked: (path: Name) => boolean;
  /** Wants to know that a file is here, as it is at the destination. @param path below the directory; `isNew`: it was brought back just now */
  readonly have?: (path: Name, stats: BigIntStats, how: { readonly isNew: boolean }) => void;
  /**
   * Asks whoever else has the directory. Resolves with the files that are other ones there, and how; undefined: nobody else has it.
   * @param files all that stand at the destination; `wanted`: those that are to be brought back
   */
  readonly askOthers?: (files: Stored['files'], wanted: ReadonlySet<Name>) => Promise<ReadonlyMap<Name, string>>;
  /** What is to be said where something is missing or differs, and the directory is not as it should be. */
  readonly incomplete?: string;
  /** Everything is here. Resolves with what is to be said of the directory besides. @throws system errors, UserError, TransportError */
  readonly finish: (done: Complete) => Promise<Finish>;
}

/** A directory of which all is here. */
export interface Complete {
  /** Its regular files that a site would send. */
  readonly files: number;
  readonly bytes: number;
  /** Names that `source.exclude` leaves out. */
  readonly excluded: number;
  /** mtimes, in seconds since 1970; undefined: there is no file. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** What a complete directory has at the destination, and this one has not, where the site delivers it. */
  readonly lacks: readonly Name[];
  /** The content of every file was compared. */
  readonly areContentsCompared: boolean;
}

export interface Finish {
  /** It bears `finished.watch`. */
  readonly isFinished: boolean;
  readonly note?: string;
}
