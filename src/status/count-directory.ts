import type { BigIntStats } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { FileCount } from '../core/survey.ts';
import { isBornMarked, isMarked } from '../marks/mark.ts';
import type { Name } from '../name.ts';
import { unreadableIn } from '../source/directory-failures.ts';
import { walk, type Entry, type IsExcluded } from '../source/scanner.ts';
import type { DirectoryStatus } from './site-status.ts';

/** Does this marked file count as sent? contract.md §3. */
export type CountsAsSent = (stats: BigIntStats, path: Name) => boolean;

/** Has this destination the file, as it is? */
export type IsThere = (stats: BigIntStats, path: Name) => boolean;

/** Something of each destination of a site. */
interface OfEach<T> {
  readonly required: readonly T[];
  readonly bestEffort: readonly T[];
}

/** The destinations, as `finished.watch` names them. */
export type SiteLabels = OfEach<string>;

const NONE = { required: [], bestEffort: [] };

/**
 * Counts a directory by one listing; read-only.
 * @param areThere none for a site's only destination
 */
export const countDirectory = (
  directoryPath: Name,
  isExcluded: IsExcluded,
  countsAsSent: CountsAsSent,
  areThere: OfEach<IsThere> = NONE,
): FileCount => {
  const tally = new Tally(countsAsSent, areThere);
  for (const entry of walk(directoryPath, isExcluded, tally.noteChange)) tally.visit(entry);
  return tally.count;
};

const ENTRIES_A_TURN = 256;
/** Rests so many times as long as it works: whatever else the process does goes before. */
const REST_FACTOR = 3;

export interface PortionOptions {
  readonly isExcluded: IsExcluded;
  readonly countsAsSent: CountsAsSent;
  /** Called for each file that was met as a sent one. */
  readonly met: (path: Name) => void;
  readonly signal: AbortSignal;
}

/** The same in small portions. undefined: it was aborted. */
export const countInPortions = async (directoryPath: Name, options: PortionOptions): Promise<FileCount | undefined> => {
  const { isExcluded, countsAsSent, met, signal } = options;
  const tally = new Tally((stats, path) => {
    const isSent = countsAsSent(stats, path);
    if (isSent) met(path);
    return isSent;
  });
  let [entries, begunMs] = [0, performance.now()];
  for (const entry of walk(directoryPath, isExcluded, tally.noteChange)) {
    tally.visit(entry);
    if ((entries += 1) % ENTRIES_A_TURN !== 0) continue;
    const restMs = (performance.now() - begunMs) * REST_FACTOR;
    await delay(restMs, undefined, { ref: false, signal }).catch(() => undefined);
    if (signal.aborted) return undefined;
    begunMs = performance.now();
  }
  return tally.count;
};

const RESERVED_NAMED = 3;

class Tally {
  readonly #countsAsSent: CountsAsSent;
  readonly #areThere: OfEach<IsThere>;
  readonly #missing: number[];
  readonly #sums = { files: 0, bytes: 0, unsent: 0, unsentBytes: 0, skipped: 0, excluded: 0, bornMarked: 0 };
  #changedMs = 0;
  readonly #reserved: Name[] = [];
  #oldest: { readonly path: Name; readonly sinceMs: number } | undefined;
  #unreadable: string | undefined;

  constructor(countsAsSent: CountsAsSent, areThere: OfEach<IsThere> = NONE) {
    this.#countsAsSent = countsAsSent;
    this.#areThere = areThere;
    this.#missing = [...areThere.required, ...areThere.bestEffort].map(() => 0);
  }

  get count(): FileCount {
    return {
      ...this.#sums,
      ...(this.#missing.length > 0 ? { missing: this.#missing } : {}),
      changedMs: this.#changedMs,
      reserved: this.#reserved,
      oldest: this.#oldest,
      unreadable: this.#unreadable,
    };
  }

  visit(entry: Entry): void {
    switch (entry.kind) {
      case 'skipped':
        this.#sums[entry.why === 'excluded' ? 'excluded' : 'skipped'] += 1;
        return;
      case 'reserved':
        this.#sums.files += 1;
        this.#sums.unsent += 1;
        for (const index of this.#missing.keys()) this.#noteMissing(index);
        if (this.#reserved.length < RESERVED_NAMED) this.#reserved.push(entry.path);
        return;
      case 'unreadable':
        this.#unreadable ??= unreadableIn(entry).message;
        return;
      case 'file':
        this.#visitFile(entry.path, entry.stats);
        return;
      case 'folder':
        this.noteChange(entry.stats);
        return;
    }
  }

  /** Of a file too. */
  readonly noteChange = ({ mtimeMs }: BigIntStats): void => {
    this.#changedMs = Math.max(this.#changedMs, Number(mtimeMs));
  };

  #noteMissing(index: number): void {
    this.#missing[index] = (this.#missing[index] ?? 0) + 1;
  }

  #visitFile(path: Name, stats: BigIntStats): void {
    const size = Number(stats.size);
    this.#sums.files += 1;
    this.#sums.bytes += size;
    this.noteChange(stats);
    const { required, bestEffort } = this.#areThere;
    for (const [index, isThere] of bestEffort.entries())
      if (!isThere(stats, path)) this.#noteMissing(required.length + index);
    if (isMarked(stats) && this.#countsAsSent(stats, path)) return;
    if (isBornMarked(stats)) this.#sums.bornMarked += 1;
    this.#sums.unsent += 1;
    this.#sums.unsentBytes += size;
    for (const [index, isThere] of required.entries()) if (!isThere(stats, path)) this.#noteMissing(index);
    const sinceMs = Number(stats.ctimeMs);
    if (this.#oldest === undefined || sinceMs < this.#oldest.sinceMs) this.#oldest = { path, sinceMs };
  }
}

export type Counted = Omit<DirectoryStatus, 'name' | 'phase' | 'closedBy' | 'held' | 'late'>;

/**
 * What `status` says of a count. Pure.
 * @param labels of the destinations
 * @param silentMs of an open directory: after so long without a change it is told that it is silent; null: never
 */
export const countedStatus = (
  count: FileCount,
  nowMs: number,
  { silentMs = null, labels = NONE }: { readonly silentMs?: number | null; readonly labels?: SiteLabels } = {},
): Counted => {
  const { files, bytes, unsent, unsentBytes, skipped, excluded, reserved, oldest, unreadable, bornMarked } = count;
  const missing = [...labels.required, ...labels.bestEffort].flatMap((destination, index) => {
    const isBestEffort = index >= labels.required.length;
    const files = count.missing?.[index] ?? 0;
    if (count.missing === undefined || (unsent === 0 && (!isBestEffort || files === 0))) return [];
    return [{ destination, files, ...(isBestEffort ? { isBestEffort } : {}) }];
  });
  const quietMs = nowMs - count.changedMs;
  return {
    files,
    bytes,
    sent: files - unsent,
    sentBytes: bytes - unsentBytes,
    skipped,
    excluded,
    ...(missing.length === 0 ? {} : { missing }),
    ...(reserved.length > 0 ? { reserved } : {}),
    ...(unreadable === undefined ? {} : { unreadable }),
    ...(bornMarked === 0 ? {} : { bornMarked }),
    ...(silentMs === null || quietMs < silentMs ? {} : { silentSeconds: Math.round(quietMs / 1000) }),
    oldestUnsentSeconds: oldest === undefined ? null : Math.max(0, Math.round((nowMs - oldest.sinceMs) / 1000)),
  };
};

/** What `status` says of a directory that cannot be looked into. Pure. */
export const notCounted = (unreadable: string): Counted => ({
  files: null,
  bytes: null,
  sent: null,
  sentBytes: null,
  oldestUnsentSeconds: null,
  skipped: 0,
  excluded: 0,
  unreadable,
});
