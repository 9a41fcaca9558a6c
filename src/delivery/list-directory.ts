import { lstatSync, type BigIntStats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HeldBackReason, SkippedKind } from '../core/events.ts';
import type { ClosedBy, DirectorySnapshot } from '../core/lifecycle.ts';
import { isMarked } from '../marks/mark.ts';
import { fsPath, type Name } from '../name.ts';
import { heldBack } from '../core/readiness.ts';
import type { MarkRecord } from '../marks/record.ts';
import { walk, type Entry, type IsExcluded } from '../source/scanner.ts';
import type { OpenFiles, OpenFilesView } from '../source/open-files.ts';

/** What one whole listing of a directory showed. */
export interface Listing {
  files: number;
  bytes: number;
  /** Files that are not sent. */
  unsent: number;
  /** Of these, files that may not be sent yet. */
  heldBack: number;
  skipped: number;
  /** Somebody writes a file of it; of an open directory: one that is not sent. */
  openForWriting: boolean;
  /** Its sub-folders, below the directory. */
  readonly folders: Name[];
  /** The last change of anything in it other than by our marks, in milliseconds since 1970. */
  changedMs: number;
  /** The oldest and the youngest mtime of its files, in milliseconds since 1970. */
  firstMs: number;
  lastMs: number;
}

/** Who wants to know what the listing meets. A promise holds the listing back. */
export interface ListingVisitor {
  sent?(path: Name, stats: BigIntStats): Promise<void> | undefined;
  ready(path: Name, stats: BigIntStats): Promise<void> | undefined;
  heldBack(path: Name, reason: HeldBackReason): void;
  skipped(path: Name, kind: SkippedKind): void;
}

export interface ListingOptions {
  readonly root: Name;
  readonly isExcluded: IsExcluded;
  readonly settleMs: number;
  readonly writers: OpenFilesView;
  /** All that a walk saw a moment ago, in place of another one. */
  readonly entries?: Iterable<Entry> | undefined;
}

// The parser's word that it is done makes a look at who writes a matter of care, not of knowledge: it need not be of this moment.
const WRITERS_AGE_MS = { parser: 1000, guess: 100 } as const;
const ENTRIES_A_TURN = 256;

/** Lists a directory once and says of every file whether it is sent, may be sent, or must wait. */
export const listDirectory = async (
  { name }: Pick<DirectorySnapshot, 'name'>,
  closedBy: ClosedBy | null,
  record: MarkRecord,
  { root, isExcluded, settleMs, writers, entries: walked }: ListingOptions,
  visitor: ListingVisitor,
): Promise<Listing> => {
  const directoryPath = `${root}/${name}`;
  const now = Date.now();
  const seen: Listing = {
    files: 0,
    bytes: 0,
    unsent: 0,
    heldBack: 0,
    skipped: 0,
    openForWriting: false,
    folders: [],
    changedMs: 0,
    firstMs: Infinity,
    lastMs: 0,
  };
  const closedByParser = closedBy === 'parser';
  let openFilesSeen: OpenFiles | undefined;
  const openFilesNow = (): OpenFiles =>
    (openFilesSeen ??= writers(closedByParser ? WRITERS_AGE_MS.parser : WRITERS_AGE_MS.guess));
  const noteChange = (timeMs: number): void => {
    // A time in the future says nothing about when it changed.
    if (timeMs <= now + 1000) seen.changedMs = Math.max(seen.changedMs, timeMs);
  };

  const visitFile = (path: Name, stats: BigIntStats): Promise<void> | undefined => {
    seen.files += 1;
    seen.bytes += Number(stats.size);
    const mtimeMs = Number(stats.mtimeMs);
    seen.firstMs = Math.min(seen.firstMs, mtimeMs);
    seen.lastMs = Math.max(seen.lastMs, mtimeMs);
    noteChange(mtimeMs);
    const isSent = isMarked(stats) && record.has(stats, path);
    // A look at all processes costs more than the listing of a small directory: not for what an open one has sent.
    const writer = isSent && closedBy === null ? undefined : openFilesNow().writerOf(stats);
    if (writer !== undefined) seen.openForWriting = true;
    if (isSent) return visitor.sent?.(path, stats);
    seen.unsent += 1;
    const reason = heldBack({ closedByParser, quietMs: now - Number(stats.ctimeMs), writer }, settleMs);
    if (reason === undefined) return visitor.ready(path, stats);
    seen.heldBack += 1;
    visitor.heldBack(path, reason);
    return undefined;
  };

  noteChange(Math.floor(lstatSync(fsPath(directoryPath)).mtimeMs));
  let entries = 0;
  for (const entry of walked ?? walk(directoryPath, isExcluded)) {
    if (entry.kind === 'skipped') {
      seen.skipped += 1;
      visitor.skipped(entry.path, entry.why);
    } else if (entry.kind === 'folder') {
      seen.folders.push(entry.path);
      noteChange(Number(entry.stats.mtimeMs));
    } else {
      const wait = visitFile(entry.path, entry.stats);
      if (wait !== undefined) await wait;
    }
    // Replies, signals and timers have their turn while a million marked files go by.
    if ((entries += 1) % ENTRIES_A_TURN === 0) await nextTurn();
  }
  return seen;
};
