import type { BigIntStats } from 'node:fs';
import type { FileCount } from '../core/survey.ts';
import type { SkippedKind } from '../core/events.ts';
import type { MarkRecord } from '../marks/record.ts';
import type { Name } from '../name.ts';
import { unreadableIn } from '../source/directory-failures.ts';
import type { ListingVisitor } from './list-directory.ts';
import type { Listing } from './listing.ts';
import type { Outcome } from './sender.ts';

/** So many unsent files of a directory are known by name: the others are counted. */
const MOST_NAMED = 1000;
const MOST_RESERVED = 3;

interface Whole {
  readonly listing: Pick<Listing, 'files' | 'bytes' | 'skipped'>;
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
  readonly noteOutcome = (path: Name, { result }: Outcome, { size }: BigIntStats): void => {
    if (result !== 'sent') return;
    const bytes = Number(size);
    this.#next.sent(path, bytes);
    if (this.#whole === undefined || this.#whole.unsent.sent(path, bytes)) return;
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
  /** Why something cannot be read: the first reason. */
  reason: string | undefined;
  readonly #claims = { files: 0, bytes: 0 };
  readonly reserved = { count: 0, first: [] as Name[] };
  /** The first of them, with the time of their last change. */
  readonly #named = new Map<Name, number>();
  #oldest: { readonly path: Name; readonly sinceMs: number } | undefined;

  add(path: Name, { size, ctimeMs }: BigIntStats): void {
    const sinceMs = Number(ctimeMs);
    this.files += 1;
    this.bytes += Number(size);
    if (this.#named.size < MOST_NAMED) this.#named.set(path, sinceMs);
    if (this.#oldest === undefined || sinceMs < this.#oldest.sinceMs) this.#oldest = { path, sinceMs };
  }

  addReserved(path: Name): void {
    this.files += 1;
    this.reserved.count += 1;
    if (this.reserved.first.length < MOST_RESERVED) this.reserved.first.push(path);
  }

  addClaim({ size }: BigIntStats): void {
    this.#claims.files += 1;
    this.#claims.bytes += Number(size);
  }

  addOpenClaims(open: number): void {
    this.files += open;
    if (open > 0) this.bytes += Math.round((this.#claims.bytes * open) / this.#claims.files);
  }

  /** Was it one of them? Of those that have no name here any file may be one. */
  sent(path: Name, bytes: number): boolean {
    if (!this.#named.delete(path) && this.#named.size + this.reserved.count >= this.files) return false;
    this.files -= 1;
    this.bytes = Math.max(0, this.bytes - bytes);
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
