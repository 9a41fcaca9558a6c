import type { BigIntStats } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import type { Report } from '../core/events.ts';
import type { Name } from '../name.ts';
import { createMemoryRecord, type MarkRecord } from '../marks/record.ts';
import type { RetryOptions } from '../core/retry.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { OutcomeKind, Sender, Urgency } from './sender.ts';
import { createFailures, type Failures } from '../core/failures.ts';
import type { Counters } from './context.ts';

/** The files of one directory on their way: each at most once at a time, whoever found it. */
export interface UploadQueue {
  /** How the sends since `startRound` ended; `waiting`: files that failed lately and must wait. */
  readonly outcomes: Readonly<Record<OutcomeKind | 'waiting', number>>;
  startCycle(): void;
  /** Hands over a file that a listing found, as soon as the sender has room, and does not wait for its fate. */
  readonly submit: (path: Name, stats: BigIntStats) => Promise<void> | undefined;
  /** Its writer closed it: it goes before what listings found. */
  closed(path: Name): void;
  /** Somebody has it in hand already. */
  isKnown(path: Name): boolean;
  readonly failures: Failures;
  readonly inFlight: Iterable<Name>;
  /** Resolves when nothing is under way any more. Rejects with a defect of ours. */
  readonly drain: () => Promise<void>;
}

export interface UploadQueueOptions {
  readonly directory: Name;
  readonly record: MarkRecord;
  readonly sender: Sender;
  readonly isExcluded: IsExcluded;
  readonly retry: RetryOptions;
  readonly counters: Counters;
  readonly report: Report;
}

export const createUploadQueue = ({
  directory,
  record,
  sender,
  isExcluded,
  retry,
  counters,
  report,
}: UploadQueueOptions): UploadQueue => {
  const outcomes = { sent: 0, changed: 0, failed: 0, stopped: 0, waiting: 0 };
  const delivered = sender.connections.length > 1 ? sender.connections.map(() => createMemoryRecord([])) : [];
  const failures = createFailures(retry, () => performance.now(), Math.random);
  const defects: unknown[] = [];
  /** What is being sent; true: it was closed once more since. */
  const sending = new Map<Name, boolean>();
  /** Closed files that wait for their turn, in their order. */
  const closedFiles = new Set<Name>();
  let pumping = false;
  let drained: PromiseWithResolvers<void> | undefined;

  const isBusy = (): boolean => sending.size > 0 || closedFiles.size > 0;
  const noteDrained = (): void => {
    if (!isBusy()) drained?.resolve();
  };

  const send = async (path: Name, stats: BigIntStats, urgency: Urgency): Promise<void> => {
    sending.set(path, false);
    try {
      const outcome = await sender.send({ directory, path, stats, record, delivered }, urgency);
      outcomes[outcome.result] += 1;
      if (outcome.result === 'sent') {
        failures.resolved(path);
        counters.sent += 1;
        counters.bytes += Number(stats.size);
      } else if (outcome.result !== 'changed') counters.failed += 1;
      if (outcome.result === 'failed') {
        const { error, attempts, held } = failures.failed(path, outcome.error);
        if (held) counters.held += 1;
        const hint = error.hint === undefined ? {} : { hint: error.hint };
        const fullPath = `${directory}/${path}`;
        report({ type: 'failed', path: fullPath, class: error.class, message: error.message, ...hint, attempts, held });
      }
    } catch (error) {
      defects.push(error);
    } finally {
      const closedAgain = sending.get(path) === true;
      sending.delete(path);
      if (closedAgain) closed(path);
      noteDrained();
    }
  };

  /** undefined where it is not there, or cannot be looked at: a listing tells of that. */
  const lookAt = (path: Name): BigIntStats | undefined => {
    try {
      return sender.stat(`${directory}/${path}`);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      return undefined;
    }
  };
  const sendClosed = (path: Name): void => {
    const stats = lookAt(path);
    if (stats?.isFile() === true) void send(path, stats, 'live');
    else failures.resolved(path);
  };

  const pump = async (): Promise<void> => {
    if (pumping) return;
    pumping = true;
    try {
      for (const path of closedFiles) {
        await sender.slot('live');
        closedFiles.delete(path);
        if (sending.has(path)) sending.set(path, true);
        else sendClosed(path);
      }
    } catch (error) {
      defects.push(error);
    } finally {
      pumping = false;
      noteDrained();
    }
  };

  const closed = (path: Name): void => {
    if (isExcluded(path)) return;
    // Last in the queue, if it was there: what is read later is newer.
    closedFiles.delete(path);
    closedFiles.add(path);
    void pump();
  };

  // Nothing to await where there is room: this is a hot path.
  const submitWithRoom = (path: Name, stats: BigIntStats): Promise<void> | undefined => {
    const room = sender.slot('backlog');
    if (room === undefined) {
      void send(path, stats, 'backlog');
      return undefined;
    }
    return room.then(() => {
      if (!isKnown(path)) void send(path, stats, 'backlog');
    });
  };
  const isKnown = (path: Name): boolean => sending.has(path) || closedFiles.has(path);

  return {
    outcomes,
    failures,
    startCycle: () => {
      Object.assign(outcomes, { sent: 0, changed: 0, failed: 0, stopped: 0, waiting: 0 });
    },
    submit: (path, stats) => {
      if (isKnown(path)) return undefined;
      if (!failures.mustWait(path)) return submitWithRoom(path, stats);
      outcomes.waiting += 1;
      return undefined;
    },
    closed,
    isKnown,
    get inFlight() {
      return sending.keys();
    },
    drain: async () => {
      while (isBusy()) await (drained = Promise.withResolvers()).promise;
      if (defects.length > 0) throw new AggregateError(defects, 'sending failed in a way that it must not');
    },
  };
};
