import type { BigIntStats } from 'node:fs';
import type { FileCount } from '../core/survey.ts';
import type { SkippedKind } from '../core/events.ts';
import { isBornMarked } from '../marks/mark.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import type { Name } from '../name.ts';
import { unreadableIn } from '../source/directory-failures.ts';
import type { ListingVisitor } from './list-directory.ts';
import type { Listing } from './listing.ts';
import type { Outcome } from './sender.ts';

/** So many unsent files of a directory are known by name: the others are counted. */
const MOST_NAMED = 1000;
const MOST_RESERVED = 3;

interface Whole {
  readonly listing: Pick<Listing, 'files' | 'bytes' | 'skipped' | 'changedMs'>;
  readonly unsent: UnsentFiles;
  /** What was sent since, and the listing had not met. */
  readonly added: { files: number; bytes: number };
  readonly atMs: number;
}

/** The files of one directory as the last listing that was through showed them, and what was sent since: for whoever asks while work goes on. */
export class DirectoryCount {
  readonly #record: Pick<MarkRecord, 'lookUp'>;
  readonly #trustMarks: boolean;
  #whole: Whole | undefined;
  #next = new UnsentFiles();
  #bornMarkedSent = 0;
  #closedMs = 0;

  constructor(record: Pick<MarkRecord, 'lookUp'>, trustMarks: boolean) {
    this.#record = record;
    this.#trustMarks = trustMarks;
  }

  /** A listing begins: what it meets is counted on its way to the visitor. */
  counting(visitor: ListingVisitor): ListingVisitor {
    const next = new UnsentFiles();
    this.#next = next;
    return {
      ...visitor,
      ...(this.#trustMarks ? { sent: this.#trusting(visitor, next) } : {}),
      ready: (path, stats) => {
        next.add(path, stats);
        return visitor.ready?.(path, stats);
      },
      claimed: (path, stats) => {
        next.addClaim(stats);
        return visitor.claimed?.(path, stats);
      },
      heldBack: (path, reason, stats) => {
        if (stats === undefined) next.addReserved(path);
        else next.add(path, stats);
        visitor.heldBack?.(path, reason, stats);
      },
      unreadable: (path, error) => {
        next.reason ??= unreadableIn({ kind: 'unreadable', path, error }).message;
        visitor.unreadable?.(path, error);
      },
    };
  }

  /** Of what is trusted, what was born with its mark is never sent. */
  #trusting(visitor: ListingVisitor, next: UnsentFiles): NonNullable<ListingVisitor['sent']> {
    return (path, stats) => {
      if (isBornMarked(stats) && this.#record.lookUp(path, stats) === 'unknown') next.bornMarked += 1;
      return visitor.sent?.(path, stats);
    };
  }

  /**
   * The listing is through.
   * @param absent claims that do not hold: they are sent
   * @param open claims for which a destination could not be asked
   */
  end(listing: Listing, absent: ReadonlyMap<Name, BigIntStats>, open: number): void {
    const unsent = this.#next;
    for (const [path, stats] of absent) unsent.add(path, stats);
    unsent.addOpenClaims(open);
    this.#whole = { listing, unsent, added: { files: 0, bytes: 0 }, atMs: performance.now() };
    this.#next = new UnsentFiles();
  }

  /** Whoever found the file. */
  readonly noteOutcome = (path: Name, { result }: Outcome, stats: BigIntStats): void => {
    if (result !== 'sent') return;
    const bytes = Number(stats.size);
    if (isBornMarked(stats)) this.#bornMarkedSent += 1;
    this.#closedMs = Math.max(this.#closedMs, Number(stats.mtimeMs));
    this.#next.sent(path, stats);
    if (this.#whole === undefined || this.#whole.unsent.sent(path, stats)) return;
    this.#whole.added.files += 1;
    this.#whole.added.bytes += bytes;
  };

  /** Has the record this file, as it is, for every destination? */
  isSent(stats: BigIntStats, path: Name): boolean {
    const knowledge = this.#record.lookUp(path, stats);
    return knowledge === 'confirmed' || (knowledge === 'unknown' && this.#trustMarks);
  }

  get ageMs(): number {
    return this.#whole === undefined ? Infinity : performance.now() - this.#whole.atMs;
  }

  get current(): FileCount | undefined {
    if (this.#whole === undefined) return undefined;
    const { listing, unsent, added } = this.#whole;
    const excluded = listing.skipped.get('excluded') ?? 0;
    return {
      files: listing.files + unsent.reserved.count + added.files,
      bytes: listing.bytes + added.bytes,
      unsent: unsent.files,
      unsentBytes: unsent.bytes,
      skipped: sum(listing.skipped) - excluded,
      excluded,
      reserved: unsent.reserved.first,
      oldest: unsent.oldest,
      bornMarked: this.#bornMarkedSent + unsent.bornMarked,
      changedMs: Math.max(listing.changedMs, this.#closedMs),
      unreadable: unsent.reason,
    };
  }
}

const sum = (counts: ReadonlyMap<SkippedKind, number>): number =>
  [...counts.values()].reduce((total, count) => total + count, 0);

/** What one listing met that is not sent. */
class UnsentFiles {
  files = 0;
  bytes = 0;
  bornMarked = 0;
  /** Why something cannot be read: the first reason. */
  reason: string | undefined;
  readonly #claims = { files: 0, bytes: 0 };
  #bornClaims = 0;
  readonly reserved = { count: 0, first: [] as Name[] };
  /** The first of them, with the time of their last change. */
  readonly #named = new Map<Name, number>();
  #oldest: { readonly path: Name; readonly sinceMs: number } | undefined;

  add(path: Name, stats: BigIntStats): void {
    const sinceMs = Number(stats.ctimeMs);
    this.files += 1;
    this.bytes += Number(stats.size);
    if (isBornMarked(stats)) this.bornMarked += 1;
    if (this.#named.size < MOST_NAMED) this.#named.set(path, sinceMs);
    if (this.#oldest === undefined || sinceMs < this.#oldest.sinceMs) this.#oldest = { path, sinceMs };
  }

  addReserved(path: Name): void {
    this.files += 1;
    this.reserved.count += 1;
    if (this.reserved.first.length < MOST_RESERVED) this.reserved.first.push(path);
  }

  addClaim(stats: BigIntStats): void {
    this.#claims.files += 1;
    this.#claims.bytes += Number(stats.size);
    if (isBornMarked(stats)) this.#bornClaims += 1;
  }

  addOpenClaims(open: number): void {
    this.files += open;
    if (open > 0) this.bornMarked += Math.min(open, this.#bornClaims);
    if (open > 0) this.bytes += Math.round((this.#claims.bytes * open) / this.#claims.files);
  }

  /** Was it one of them? Of those that have no name here any file may be one. */
  sent(path: Name, stats: BigIntStats): boolean {
    if (!this.#named.delete(path) && this.#named.size + this.reserved.count >= this.files) return false;
    this.files -= 1;
    this.bytes = Math.max(0, this.bytes - Number(stats.size));
    if (isBornMarked(stats)) this.bornMarked = Math.max(0, this.bornMarked - 1);
    if (this.#oldest?.path === path) this.#oldest = undefined;
    return true;
  }

  get oldest(): FileCount['oldest'] {
    if (this.#oldest === undefined)
      for (const [path, sinceMs] of this.#named)
        if (this.#oldest === undefined || sinceMs < this.#oldest.sinceMs) this.#oldest = { path, sinceMs };
    return this.#oldest;
  }
}
