import type { BigIntStats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { tickLeftMs } from '../core/clock-tick.ts';
import type { HeldBackReason, SkippedKind } from '../core/events.ts';
import { isSameDirectory, type ClosedBy, type DirectorySnapshot } from '../core/lifecycle.ts';
import { heldBack } from '../core/readiness.ts';
import { isMarked } from '../marks/mark.ts';
import type { Knowledge, MarkRecord } from '../marks/mark-record.ts';
import type { Name } from '../name.ts';
import type { OpenFiles, OpenFilesView } from '../source/open-files.ts';
import { isManifestPath } from '../source/markers.ts';
import { walk, type Entry, type IsExcluded } from '../source/scanner.ts';
import { beginListing, type Listing } from './listing.ts';

/** Who is called for what the listing meets. A promise holds the listing back. */
export interface ListingVisitor {
  sent?(path: Name, stats: BigIntStats): Promise<void> | undefined;
  ready?(path: Name, stats: BigIntStats): Promise<void> | undefined;
  /** A mark that the record does not explain: destinations are asked. */
  claimed?(path: Name, stats: BigIntStats): Promise<void> | undefined;
  /** @param stats undefined where the name alone decided */
  heldBack?(path: Name, reason: HeldBackReason, stats?: BigIntStats): void;
  skipped?(path: Name, kind: SkippedKind): void;
  /** The disk does not let us look at it, nor into it. */
  unreadable?(path: Name, error: unknown): void;
}

export interface ListingOptions {
  readonly root: Name;
  readonly isExcluded: IsExcluded;
  readonly settleMs: number;
  readonly openFiles: OpenFilesView;
  readonly trustMarks: boolean;
  /** `SHA256SUMS` is ours. */
  readonly manifest?: boolean;
  /** So many milliseconds ago a file of it was sent of which nobody had looked whether it is mapped: a look must be later. */
  readonly presumedMs?: number;
  /** For the listing after which the directory is finished. */
  readonly isLast?: boolean;
  /** The time by the clock that stamps the files. */
  readonly now?: () => number;
}

// The parser's word that it is done makes the look at open files a matter of care, not of knowledge: it may be a second old.
const OPEN_FILES_AGE_MS = { parser: 1000, guess: 100 } as const;
const ENTRIES_A_TURN = 256;
const NAMED_HELD_BACK = 3;

type ListedRecord = Pick<MarkRecord, 'lookUp'> & Partial<Pick<MarkRecord, 'isNew'>>;

/** The directory to list. A name alone: whichever has it. */
interface ListedDirectory {
  readonly directory: DirectorySnapshot | Pick<DirectorySnapshot, 'name'>;
  readonly closedBy: ClosedBy | null;
}

/**
 * Lists a directory once and judges every file: is it sent, may it be sent, must it wait?
 * @throws ENOENT where another directory has its name: also for a moment, in which two were exchanged
 */
export const listDirectory = async (
  { directory, closedBy }: ListedDirectory,
  record: ListedRecord,
  options: ListingOptions,
  visitor: ListingVisitor,
): Promise<Listing> => {
  const judge = new FileJudge(closedBy, record, options, visitor);
  const opened = (stats: BigIntStats): void => {
    const now = { dev: stats.dev, ino: stats.ino, birthNs: stats.birthtimeNs };
    if ('ino' in directory && !isSameDirectory(now, directory))
      throw Object.assign(new Error('another directory has its name'), { code: 'ENOENT' });
    judge.noteFolder(stats);
  };
  let entries = 0;
  for (const entry of walk(`${options.root}/${directory.name}`, options.isExcluded, opened)) {
    const wait = judge.visit(entry);
    if (wait !== undefined) await wait;
    // Replies, signals and timers have their turn while a million marked files go by.
    if ((entries += 1) % ENTRIES_A_TURN === 0) await nextTurn();
  }
  return judge.listing;
};

/** A folder that is empty, and what is skipped, is not sent under that name. */
const isNamedLikeManifest = ({ kind, path }: Entry): boolean =>
  (kind === 'file' || kind === 'reserved') && isManifestPath(path);

/** Judges the entries of one listing. */
class FileJudge {
  readonly listing: Listing;
  readonly #record: ListedRecord;
  readonly #options: ListingOptions;
  readonly #visitor: ListingVisitor;
  readonly #now: number;
  #openFiles: OpenFiles | undefined;

  constructor(closedBy: ClosedBy | null, record: ListedRecord, options: ListingOptions, visitor: ListingVisitor) {
    this.#record = record;
    this.#options = options;
    this.#visitor = visitor;
    this.#now = (options.now ?? Date.now)();
    this.listing = beginListing(closedBy);
  }

  visit(entry: Entry): Promise<void> | undefined {
    if (this.#options.manifest === true && isNamedLikeManifest(entry)) {
      this.#noteReserved(entry.path);
      return undefined;
    }
    switch (entry.kind) {
      case 'file':
        return this.#visitFile(entry.path, entry.stats);
      case 'folder':
        this.listing.folders.push(entry.path);
        this.noteFolder(entry.stats);
        return undefined;
      case 'reserved':
        this.#noteReserved(entry.path);
        return undefined;
      case 'unreadable':
        this.listing.unsent += 1;
        this.listing.unreadable += 1;
        this.#visitor.unreadable?.(entry.path, entry.error);
        return undefined;
      case 'skipped':
        this.listing.skipped.set(entry.why, (this.listing.skipped.get(entry.why) ?? 0) + 1);
        this.#visitor.skipped?.(entry.path, entry.why);
        return undefined;
    }
  }

  #noteReserved(path: Name): void {
    this.listing.unsent += 1;
    this.listing.reserved += 1;
    this.#holdBack(path, { kind: 'reserved-name' });
  }

  noteFolder({ mtimeNs, mtimeMs }: BigIntStats): void {
    this.listing.foldersNs += mtimeNs;
    this.#noteChange(Number(mtimeMs));
  }

  #noteChange(timeMs: number): void {
    // A time in the future says nothing about when it changed.
    if (timeMs <= this.#now + 1000) this.listing.changedMs = Math.max(this.listing.changedMs, timeMs);
  }

  #visitFile(path: Name, stats: BigIntStats): Promise<void> | undefined {
    const { listing } = this;
    this.#count(stats);
    const knowledge: Knowledge = isMarked(stats) ? this.#record.lookUp(path, stats) : 'changed';
    const isTrusted = knowledge === 'unknown' && this.#options.trustMarks;
    const isSent = knowledge === 'confirmed' || isTrusted;
    // A change that keeps the mtime is known by the ctime, until our mark moves that: whoever marked it noted it before (`UploadQueue`).
    const isMarkedByUs = knowledge === 'confirmed' && this.#record.isNew?.(path) === true;
    if (listing.closedBy === 'superseded' && !isMarkedByUs) this.#noteChange(Number(stats.ctimeMs));
    // A pass over all processes costs more than the listing of a small directory: not for what an open one has sent.
    const writer = isSent && listing.closedBy === null ? undefined : this.#writerOf(stats);
    if (writer !== undefined) listing.openForWriting = true;
    if (isSent) {
      if (isTrusted) listing.trusted += 1;
      return this.#visitor.sent?.(path, stats);
    }
    listing.unsent += 1;
    const quietMs = this.#now - Number(stats.ctimeMs);
    const closedByParser = listing.closedBy === 'parser';
    const reason = heldBack({ closedByParser, quietMs, writer }, this.#options.settleMs);
    if (reason !== undefined) {
      this.#holdBack(path, reason, stats);
      return undefined;
    }
    // Asked within the tick of its last change, what is recorded would hold for a later change as well: it is sent.
    const isClaim = knowledge === 'unknown' && tickLeftMs(stats.ctimeNs, this.#now) === 0;
    return isClaim ? this.#visitor.claimed?.(path, stats) : this.#visitor.ready?.(path, stats);
  }

  #holdBack(path: Name, reason: HeldBackReason, stats?: BigIntStats): void {
    this.listing.heldBack += 1;
    if (this.listing.firstHeldBack.length < NAMED_HELD_BACK) this.listing.firstHeldBack.push({ path, reason });
    this.#visitor.heldBack?.(path, reason, stats);
  }

  #count(stats: BigIntStats): void {
    const { listing } = this;
    const mtimeMs = Number(stats.mtimeMs);
    listing.files += 1;
    listing.bytes += Number(stats.size);
    listing.firstMs = Math.min(listing.firstMs, mtimeMs);
    listing.lastMs = Math.max(listing.lastMs, mtimeMs);
    this.#noteChange(mtimeMs);
  }

  #writerOf(stats: BigIntStats): number | undefined {
    const { openFiles, presumedMs = Infinity, isLast = false } = this.#options;
    const isParsers = this.listing.closedBy === 'parser';
    // Where nobody says that the parser is done, who opens a file at the last moment is to be seen.
    const ageMs = isParsers ? OPEN_FILES_AGE_MS.parser : isLast ? 0 : OPEN_FILES_AGE_MS.guess;
    return (this.#openFiles ??= openFiles(Math.min(ageMs, presumedMs))).writerOf(stats);
  }
}
