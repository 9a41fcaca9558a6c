import type { BigIntStats } from 'node:fs';
import type { Report } from '../core/events.ts';
import { createFailures, type Failures } from '../core/failures.ts';
import type { RetryOptions } from '../core/retry.ts';
import { lacksRoom, systemErrorCode } from '../errors.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import type { StateFolder } from '../marks/state.ts';
import type { Name } from '../name.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { Counters } from './context.ts';
import { LateProof } from './late-proof.ts';
import type { Urgency } from './send-slots.ts';
import type { Outcome, OutcomeKind, Sender } from './sender.ts';

export interface UploadQueueOptions {
  readonly directory: Name;
  readonly record: MarkRecord;
  readonly sender: Sender;
  readonly isExcluded: IsExcluded;
  readonly isReserved: (path: Name) => boolean;
  readonly retry: RetryOptions;
  readonly counters: Pick<Counters, 'sent' | 'bytes' | 'held'>;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly state: Pick<StateFolder, 'lastChanges'>;
  /** Files are named by somebody, not listed: who has them open for writing was not looked at. */
  readonly areNamed?: boolean;
  /** Rejects with a TransportError where no file of the directory may be sent; undefined: all may. */
  readonly mayBegin?: (() => Promise<void> | undefined) | undefined;
  /** Called for each file when its send is over. */
  readonly onOutcome?: (path: Name, outcome: Outcome, stats: BigIntStats) => void;
}

/** A file on its way. */
interface Sending {
  readonly bytes: number;
  /** It was closed once more since. */
  again: boolean;
}

const MOST_NAMED = 3;
const MOST_TRIED = 10_000;
const NO_OUTCOMES = { sent: 0, changed: 0, failed: 0, stopped: 0, 'left-behind': 0, waiting: 0 };

/** The files of one directory on their way: each at most once at a time, whoever found it. */
export class UploadQueue {
  readonly failures: Failures;
  readonly lateProof: LateProof;
  /** How the sends since `startCycle` ended; `waiting`: files that failed lately and must wait. */
  readonly outcomes: Record<OutcomeKind | 'waiting', number> = { ...NO_OUTCOMES };
  /** Some of the files that changed while they were sent, since `startCycle`, and were not sent since. */
  readonly changing = new Set<Name>();
  readonly #options: UploadQueueOptions;
  readonly #defects: unknown[] = [];
  #lastPresumedMs = -Infinity;
  /** Files with several names that were changed while they were sent, by our mark under another name probably, and went once more. */
  readonly #again = new Set<Name>();
  readonly #sending = new Map<Name, Sending>();
  /** Some of the files that were on their way and did not arrive at every destination: a listing finds them again. */
  readonly #tried = new Set<Name>();
  /** Closed files that wait for their turn, in their order. */
  readonly #closed = new Set<Name>();
  #isPumping = false;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(options: UploadQueueOptions) {
    this.#options = options;
    this.lateProof = new LateProof(options);
    this.failures = createFailures(options.retry, () => performance.now(), Math.random);
  }

  get inFlight(): Iterable<Name> {
    return this.#sending.keys();
  }

  /** What is in flight, with its size. */
  get sizes(): Iterable<readonly [Name, Pick<Sending, 'bytes'>]> {
    return this.#sending;
  }

  /** Files that are in flight, or wait for that. */
  get size(): number {
    return this.#sending.size + this.#closed.size;
  }

  /** Milliseconds since the last send ended of which nobody had looked at writers before. */
  get presumedMs(): number {
    return performance.now() - this.#lastPresumedMs;
  }

  startCycle(): void {
    Object.assign(this.outcomes, NO_OUTCOMES);
    this.changing.clear();
    this.#again.clear();
  }

  /** It is in the queue or on its way already. */
  has(path: Name): boolean {
    return this.#sending.has(path) || this.#closed.has(path);
  }

  /** It was on its way before, and did not arrive: that a listing finds it says nothing of events. */
  wasTried(path: Name): boolean {
    return this.#tried.has(path);
  }

  /** Hands over a file that a listing found, as soon as a slot is free, and does not wait for its outcome. */
  submit(path: Name, stats: BigIntStats): Promise<void> | undefined {
    if (this.has(path)) return undefined;
    if (this.failures.mustWait(path)) {
      this.outcomes.waiting += 1;
      return undefined;
    }
    const free = this.#options.sender.slots.free('backlog');
    if (free === undefined) {
      void this.#send(path, stats, 'backlog'); // Nothing to await: this is a hot path.
      return undefined;
    }
    return free.then(() => {
      if (!this.has(path)) void this.#send(path, stats, 'backlog');
    });
  }

  /** Its writer closed it: it goes before what listings found. */
  close(path: Name): void {
    if (this.#options.isExcluded(path) || this.#options.isReserved(path)) return;
    // Last in the queue, if it was there: what is read later is newer.
    this.#closed.delete(path);
    this.#closed.add(path);
    this.lateProof.doubt(path);
    void this.#pump();
  }

  /** Resolves when nothing is on its way any more. Rejects with a defect. */
  async drain(): Promise<void> {
    while (this.#isBusy()) await (this.#drained ??= Promise.withResolvers()).promise;
    if (this.#defects.length > 0) throw new AggregateError(this.#defects, 'sending failed in a way that it must not');
  }

  #isBusy(): boolean {
    return this.#sending.size > 0 || this.#closed.size > 0;
  }

  #noteDrained(): void {
    if (this.#isBusy()) return;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  async #send(path: Name, stats: BigIntStats, urgency: Urgency): Promise<void> {
    const { directory, record, sender, counters, mayBegin, areNamed = false } = this.#options;
    const isPresumed = areNamed || urgency === 'live';
    const sending: Sending = { bytes: Number(stats.size), again: false };
    this.#sending.set(path, sending);
    this.#noteChange(Number(stats.ctimeMs));
    try {
      const isOutdated = (): boolean => sending.again;
      const outcome = await sender.send({ directory, path, stats, record, isPresumed, isOutdated, mayBegin }, urgency);
      this.outcomes[outcome.result] += 1;
      if (isPresumed) void this.lateProof.begin()?.catch((error: unknown) => this.#defects.push(error));
      if (outcome.result === 'sent') this.#tried.delete(path);
      else if (this.#tried.size < MOST_TRIED) this.#tried.add(path);
      if (outcome.result === 'sent') {
        this.failures.resolved(path);
        this.changing.delete(path);
        counters.sent += 1;
        counters.bytes += sending.bytes;
      } else if (outcome.result === 'failed') {
        const { error, attempts, held } = this.failures.failed(path, outcome.error);
        if (held) counters.held += 1;
        const more = {
          ...(error.hint === undefined ? {} : { hint: error.hint }),
          ...(lacksRoom(error) ? { noRoom: true as const } : {}),
        };
        const fullPath = `${directory}/${path}`;
        const { class: kind, message } = error;
        this.#options.report({ type: 'failed', path: fullPath, class: kind, message, ...more, attempts, held });
      } else if (outcome.result === 'changed' && this.changing.size < MOST_NAMED) this.changing.add(path);
      this.#options.onOutcome?.(path, outcome, stats);
      // No event tells of that change. Once: somebody may be writing it all the time.
      if (outcome.result === 'changed' && stats.nlink > 1n && !this.#again.has(path)) {
        this.#again.add(path);
        sending.again = true;
      }
    } catch (error) {
      this.#defects.push(error);
    } finally {
      if (isPresumed) this.#lastPresumedMs = performance.now();
      this.#sending.delete(path);
      if (sending.again) this.close(path);
      this.#noteDrained();
    }
  }

  #noteChange(ctimeMs: number): void {
    const { directory, state } = this.#options;
    if (ctimeMs > (state.lastChanges.get(directory) ?? 0)) state.lastChanges.set(directory, ctimeMs);
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (const path of this.#closed) {
        await this.#options.sender.slots.free('live');
        this.#closed.delete(path);
        const sending = this.#sending.get(path);
        if (sending === undefined) this.#sendClosed(path);
        else sending.again = true;
      }
    } catch (error) {
      this.#defects.push(error);
      this.#closed.clear(); // A defect ends the run. What stayed here would keep `drain` waiting for ever.
    } finally {
      this.#isPumping = false;
      this.#noteDrained();
    }
  }

  #sendClosed(path: Name): void {
    const stats = this.#stat(path);
    if (stats?.isFile() === true) void this.#send(path, stats, 'live');
    else this.failures.resolved(path);
  }

  /** undefined where it is not there, or cannot be looked at: a listing reports that. */
  #stat(path: Name): BigIntStats | undefined {
    try {
      return this.#options.sender.stat(`${this.#options.directory}/${path}`);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      return undefined;
    }
  }
}
