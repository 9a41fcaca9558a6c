import { lstatSync } from 'node:fs';
import type { HeldBackReason, SkippedKind } from '../core/events.ts';
import type { ClosedBy } from '../core/lifecycle.ts';
import { systemErrorCode } from '../errors.ts';
import { fsPath, type Name } from '../name.ts';

export interface HeldBackFile {
  readonly path: Name;
  readonly reason: HeldBackReason;
}

/** What one whole listing of a directory showed. */
export interface Listing {
  /** How the directory was closed as the listing began. */
  readonly closedBy: ClosedBy | null;
  /** When it began, by the clock of `performance.now`. */
  readonly startedMs: number;
  files: number;
  bytes: number;
  /** Files that are not sent. */
  unsent: number;
  /** Of these, files that may not be sent yet, or never under their name. */
  heldBack: number;
  /** The first of these. */
  readonly firstHeldBack: HeldBackFile[];
  /** Of these, names that are reserved for isocket. */
  reserved: number;
  /** Of these, names that the disk does not let us read: a folder counts as one. */
  unreadable: number;
  /** Marks that no record explains and that count as sent all the same (`source.trustMarks`). */
  trusted: number;
  /** What is not sent, by kind. */
  readonly skipped: Map<SkippedKind, number>;
  /** A process writes a file of it; of an open directory: one that is not sent. */
  openForWriting: boolean;
  /** Its sub-folders, below the directory. */
  readonly folders: Name[];
  /** The sum of their mtimes and of its own, each from before its entries were read. */
  foldersNs: bigint;
  /** The last change of anything in it other than by marks of this process, in milliseconds since 1970. */
  changedMs: number;
  /** The oldest and the youngest mtime of its files, in milliseconds since 1970. */
  firstMs: number;
  lastMs: number;
}

export const beginListing = (closedBy: ClosedBy | null): Listing => ({
  closedBy,
  startedMs: performance.now(),
  files: 0,
  bytes: 0,
  unsent: 0,
  heldBack: 0,
  firstHeldBack: [],
  reserved: 0,
  unreadable: 0,
  trusted: 0,
  skipped: new Map(),
  openForWriting: false,
  folders: [],
  foldersNs: 0n,
  changedMs: 0,
  firstMs: Infinity,
  lastMs: 0,
});

/** Did no entry of its folders come, go, or change places since it was listed? False where one of them cannot be looked at. */
export const isAsListed = (
  root: Name,
  name: Name,
  { folders, foldersNs }: Pick<Listing, 'folders' | 'foldersNs'>,
): boolean => {
  let ns = foldersNs;
  try {
    for (const folder of ['', ...folders])
      ns -= lstatSync(fsPath(`${root}/${name}/${folder}`), { bigint: true }).mtimeNs;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
  return ns === 0n;
};
