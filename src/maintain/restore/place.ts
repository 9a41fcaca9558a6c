import type { BigIntStats } from 'node:fs';
import { showName, type Name } from '../../name.ts';
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
  /** How many files came back just now. */
  readonly restored: number;
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

/** Pure. */
export const describeLacks = (directory: Name, lacks: readonly Name[], label: string): string =>
  `${showName(directory)} may never have been complete: ${lacks.join(' and ')}, which this site delivers with a directory that the parser has closed, ${lacks.length === 1 ? 'is' : 'are'} not at ${showName(label)}. All that is there is back; ask the parser’s side whether that is all`;

/** What stands at the destination, counted as a site would send it. Pure. */
export const countStored = (
  { files, lacks }: Pick<Stored, 'files' | 'lacks'>,
  isExcluded: (path: Name) => boolean,
  isMarked: (path: Name) => boolean,
): Omit<Complete, 'restored' | 'areContentsCompared'> => {
  const complete = { files: 0, bytes: 0, excluded: 0, first: Infinity, last: -Infinity };
  for (const [path, { size, mtimeSeconds }] of files) {
    if (isExcluded(path)) complete.excluded += 1;
    else if (isMarked(path)) {
      complete.files += 1;
      complete.bytes += size;
      complete.first = Math.min(complete.first, mtimeSeconds);
      complete.last = Math.max(complete.last, mtimeSeconds);
    }
  }
  const { first, last, files: count } = complete;
  const times = count === 0 ? { first: undefined, last: undefined } : { first, last };
  return { ...complete, ...times, lacks };
};
