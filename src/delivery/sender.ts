import type { BigIntStats } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isCoarse, tickLeftMs } from '../core/clock-tick.ts';
import type { Report } from '../core/events.ts';
import type { RetryOptions } from '../core/retry.ts';
import { isHostFailure, plainMessage, TransportError } from '../errors.ts';
import { isSameFile } from '../identity.ts';
import { checkMayMark, isMarked, mark, modeWithoutMark, unmark } from '../marks/mark.ts';
import { asUnmarked, inNoState, type FileState } from '../marks/record-hash.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import { showName, type Name } from '../name.ts';
import { cureOf } from '../source/directory-failures.ts';
import { fineTickMs, type SourceClock } from '../source/file-clock.ts';
import { createFilesBeneath, type FilesBeneath } from '../source/open-beneath.ts';
import { findOpenFiles } from '../source/open-files.ts';
import type { OutgoingFile, Transport } from '../transport.ts';
import { ConnectionHealth, type RetryMode } from './connection-health.ts';
import { LeftBehind } from './lane.ts';
import { Lanes } from './lanes.ts';
import { RetryingTransport } from './retrying-transport.ts';
import { SendSlots, type Urgency } from './send-slots.ts';
import { TickCheck } from './tick-check.ts';

/** One unsent file. */
export interface UnsentFile {
  readonly directory: Name;
  /** Below the directory: "sub/file". */
  readonly path: Name;
  /** Seen through no link, on whatever part of its path: all that opens the file holds it against this. */
  readonly stats: BigIntStats;
  readonly record: MarkRecord;
  /** Somebody else may have it mapped, which was not looked at: see `LateProof`. */
  readonly isPresumed: boolean;
  /** It was closed once more since this send began. */
  readonly isOutdated?: (() => boolean) | undefined;
  readonly mayBegin?: (() => Promise<void> | undefined) | undefined;
}

/**
 * `changed`: it moved on or vanished while it was sent; list again. `stopped`: a connection is down or a signal came.
 * `failed`: this file only, and why. `left-behind`: nothing is wrong, but a slow destination has still to get it; list again.
 */
export type Outcome =
  | { readonly result: 'sent' | 'changed' | 'stopped' | 'left-behind' }
  | { readonly result: 'failed'; readonly error: TransportError };
export type OutcomeKind = Outcome['result'];

interface Outgoing extends OutgoingFile {
  readonly identity: BigIntStats;
}

export interface SenderOptions {
  readonly root: Name;
  readonly destinations: readonly Transport[];
  readonly retry: RetryOptions;
  readonly retryMode: RetryMode;
  readonly clock: SourceClock;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Carries files to every destination and marks those that all of them have. Each file's outcome is its own. */
export class Sender {
  /** One for each destination, in their order. */
  readonly destinations: readonly RetryingTransport[];
  readonly slots: SendSlots;
  readonly clock: SourceClock;
  readonly #options: SenderOptions;
  readonly #files: FilesBeneath;
  readonly #fineTickMs: number;
  readonly #tickCheck: TickCheck;
  readonly #lanes: Lanes;

  constructor(options: SenderOptions) {
    const { root, destinations, retry, retryMode, clock, report, signal } = options;
    this.#options = options;
    this.clock = clock;
    this.#files = createFilesBeneath(root);
    this.#fineTickMs = fineTickMs(root);
    // A destination that is down must not hold the slots of files that the others could have.
    const waits = retryMode === 'pass' || destinations.length === 1;
    this.destinations = destinations.map((transport) => {
      const health = new ConnectionHealth({ destination: transport.label, retry, retryMode, report });
      return new RetryingTransport(transport, { health, waits });
    });
    const stat = (targetPath: Name): BigIntStats | undefined => this.stat(targetPath);
    this.#tickCheck = new TickCheck({ root, destinations: this.destinations, stat, openFiles: findOpenFiles, signal });
    this.#lanes = new Lanes(this.destinations, signal);
    this.slots = new SendSlots(() => this.#lanes.mostUnderWay);
  }

  /** Why nothing more can be sent in this run. */
  get fatal(): TransportError | undefined {
    return this.destinations.find(({ health }) => health.fatal !== undefined)?.health.fatal;
  }

  /** No destination takes anything more in this run. */
  get isOver(): boolean {
    return this.destinations.every(({ health }) => health.fatal !== undefined);
  }

  /** How often a connection failed so far: a send that was repeated may have left a temporary file. */
  get outages(): number {
    return this.destinations.reduce((sum, { health }) => sum + health.outages, 0);
  }

  /** Milliseconds until a connection that is down is tried again; undefined while all are up. */
  get retryInMs(): number | undefined {
    const waits = this.destinations.flatMap(({ health }) => health.retryInMs ?? []);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** Calls when a destination that was silent answers, and lacks files that others took meanwhile. Returns what ends that. */
  onAnswer(call: () => void): () => void {
    return this.#lanes.onAnswer(call);
  }

  /** Looks at a file below the root ("DC1/sub/file") through no link. undefined where it is not there. */
  stat(targetPath: Name): BigIntStats | undefined {
    return this.#files.stat(targetPath);
  }

  /** Delivers without marking. */
  async deliver(file: OutgoingFile): Promise<void> {
    await Promise.all(this.destinations.map((transport) => transport.send(file, this.#options.signal)));
  }

  /** Never rejects, but for a defect. */
  async send(unsent: UnsentFile, urgency: Urgency): Promise<Outcome> {
    const { signal, report } = this.#options;
    const targetPath = `${unsent.directory}/${unsent.path}`;
    try {
      const begins = unsent.mayBegin?.();
      if (begins !== undefined) await begins;
      const marked = await this.#deliverAndMark(targetPath, unsent, urgency);
      if (isCoarse(marked.ctimeNs)) await this.#confirmAfterTick(targetPath, marked);
      this.#record(unsent, marked);
      report({ type: 'sent', path: targetPath, bytes: Number(marked.size) });
      return { result: 'sent' };
    } catch (error) {
      if (signal.aborted) return { result: 'stopped' };
      if (error instanceof LeftBehind) return { result: 'left-behind' };
      const failure = error instanceof TransportError ? error : cannotSend(targetPath, error);
      if (failure.class === 'source-changed') return { result: 'changed' };
      return failure.class === 'file' ? { result: 'failed', error: failure } : { result: 'stopped' };
    }
  }

  /** Returns its state right after our `chmod`. A slot is held meanwhile. */
  async #deliverAndMark(targetPath: Name, unsent: UnsentFile, urgency: Urgency): Promise<BigIntStats> {
    const { signal, root } = this.#options;
    const sourcePath = `${root}/${targetPath}`;
    this.slots.acquire(urgency);
    try {
      checkMayMark(sourcePath, unsent.stats);
      const identity = isMarked(unsent.stats) ? this.#withoutMark(unsent, urgency) : unsent.stats;
      const waitMs = tickLeftMs(identity.ctimeNs, this.clock.now(), this.#fineTickMs);
      // A change within the tick of the last one would leave the same times: content is read when the tick is over.
      if (waitMs > 0) await delay(waitMs, undefined, { signal });
      this.#noteUnproven(unsent, identity, urgency);
      const outgoing = { sourcePath, targetPath, mode: modeWithoutMark(identity), identity };
      const { sums } = unsent.record;
      let sum: Buffer | undefined;
      if (sums === undefined) await this.#deliver(outgoing, unsent, urgency);
      else sum = await this.#deliverWithSum(outgoing, unsent, urgency);
      const marked = mark(sourcePath, identity);
      if (!isMarked(identity)) this.clock.noteChange(marked.ctimeNs);
      if (sum !== undefined) sums?.add(unsent.path, marked, sum);
      if (isCoarse(marked.ctimeNs)) await this.#tickCheck.ready();
      return marked;
    } finally {
      this.slots.release(urgency);
    }
  }

  /**
   * A mark goes before anything is read: a crash from here on leaves the file unsent. Not that of an inode with several names: taken
   * off for one it would be taken off for all, and two directories that share files would send them for ever; there the record
   * alone says which names are sent.
   */
  #withoutMark({ directory, path, stats, record }: UnsentFile, urgency: Urgency): BigIntStats {
    if (stats.nlink > 1n) return stats;
    const { before, after } = unmark(this.#options.root, `${directory}/${path}`);
    // Written meanwhile, it is not what any destination has.
    const isUntouched = isSameFile(before, stats) && after.size === stats.size && after.mtimeNs === stats.mtimeNs;
    // A destination that was added later does not make the others lose what they confirmed. (A close event does.)
    if (urgency === 'backlog' && isUntouched) {
      for (const index of this.destinations.keys())
        if (record.has(path, stats, index)) record.addFor(path, asUnmarked(after), index);
    }
    return after;
  }

  /** Resolves with the sum of what was read, if a transport told it. */
  async #deliverWithSum(outgoing: Outgoing, unsent: UnsentFile, urgency: Urgency): Promise<Buffer | undefined> {
    let sum: Buffer | undefined;
    const tellSha256 = (told: Buffer): void => {
      sum = told;
    };
    await this.#deliver({ ...outgoing, tellSha256 }, unsent, urgency);
    return sum;
  }

  /** What one destination has is not sent there again because another one failed. */
  #deliver(outgoing: Outgoing, unsent: UnsentFile, urgency: Urgency): Promise<void> {
    const [only] = this.destinations;
    return only !== undefined && this.destinations.length === 1
      ? only.send(outgoing, this.#options.signal)
      : this.#lanes.deliver(outgoing, { ...unsent, state: provenState(outgoing.identity) }, urgency);
  }

  /**
   * A crash between the mark and its entry in the record must not leave a claim, which is asked for by size and time only, as though
   * nobody could have written the file since: the name is known, in no state that a file can have. Flushed while the file travels.
   * What was closed after writing goes to every destination: who has it mapped may have changed it and left its times as they were.
   */
  #noteUnproven({ path, record }: UnsentFile, identity: BigIntStats, urgency: Urgency): void {
    const state = provenState(identity);
    for (const index of this.destinations.keys())
      if (urgency === 'live' || !record.has(path, state, index)) record.addFor(path, inNoState(identity), index);
  }

  #record({ path, record, isPresumed }: UnsentFile, marked: BigIntStats): void {
    if (!isPresumed) record.add(path, marked);
    // The end of a mapping is told under the name that it was begun by, maybe elsewhere: that a listing sends it again proves it.
    else if (marked.nlink === 1n) record.presume(path, marked);
  }

  /** What it does not confirm loses its mark, for the same reason. */
  async #confirmAfterTick(targetPath: Name, marked: BigIntStats): Promise<void> {
    try {
      await this.#tickCheck.check(targetPath, marked);
    } catch (error) {
      unmark(this.#options.root, targetPath);
      throw error;
    }
  }
}

/** In which state of a file the record knows that one destination has it, and another not yet. */
const provenState = (identity: BigIntStats): FileState => (isMarked(identity) ? identity : asUnmarked(identity));

/** What the disk refused on the way is this file's failure. What is no system error is a defect of ours, and is thrown on. */
const cannotSend = (targetPath: Name, cause: unknown): TransportError => {
  if (!isHostFailure(cause)) throw cause;
  const hint = cureOf(cause);
  return new TransportError('file', `Cannot send "${showName(targetPath)}": ${plainMessage(cause)}`, { hint, cause });
};
