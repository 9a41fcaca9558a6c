import type { BigIntStats } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import type { Report } from '../core/events.ts';
import type { Name } from '../name.ts';
import { createPassingRecord, type MarkRecord } from '../marks/record.ts';
import type { RetryOptions } from '../core/retry.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { Fate, Sender, Urgency } from './sender.ts';
import { createTroubles, type Troubles } from '../core/failures.ts';
import type { Tally } from './context.ts';

/** The files of one directory on their way: each at most once at a time, whoever found it. */
export interface Dispatch {
  /** How the sends since `startRound` ended; `waiting`: files that failed lately and must wait. */
  readonly fates: Readonly<Record<Fate | 'waiting', number>>;
  startRound(): void;
  /** Hands over a file that a listing found, as soon as the sender has room, and does not wait for its fate. */
  readonly submit: (path: Name, stats: BigIntStats) => Promise<void> | undefined;
  /** Its writer closed it: it goes before what listings found. */
  closed(path: Name): void;
  /** Somebody has it in hand already. */
  isKnown(path: Name): boolean;
  readonly troubles: Troubles;
  readonly underWay: Iterable<Name>;
  /** Resolves when nothing is under way any more. Rejects with a defect of ours. */
  readonly drain: () => Promise<void>;
}

export interface DispatchOptions {
  readonly directory: Name;
  readonly record: MarkRecord;
  readonly sender: Sender;
  readonly isExcluded: IsExcluded;
  readonly retry: RetryOptions;
  readonly tally: Tally;
  readonly report: Report;
}

export const createDispatch = ({
  directory,
  record,
  sender,
  isExcluded,
  retry,
  tally,
  report,
}: DispatchOptions): Dispatch => {
  const fates = { sent: 0, changed: 0, failed: 0, stopped: 0, waiting: 0 };
  const delivered = sender.lines.length > 1 ? sender.lines.map(() => createPassingRecord([])) : [];
  const troubles = createTroubles(retry, () => performance.now(), Math.random);
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
      fates[outcome.fate] += 1;
      if (outcome.fate === 'sent') {
        troubles.over(path);
        tally.sent += 1;
        tally.bytes += Number(stats.size);
      } else if (outcome.fate !== 'changed') tally.failed += 1;
      if (outcome.fate === 'failed') {
        const { error, attempts, held } = troubles.failed(path, outcome.error);
        if (held) tally.held += 1;
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
    else troubles.over(path);
  };

  const pump = async (): Promise<void> => {
    if (pumping) return;
    pumping = true;
    try {
      for (const path of closedFiles) {
        await sender.room('live');
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
    const room = sender.room('backlog');
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
    fates,
    troubles,
    startRound: () => {
      Object.assign(fates, { sent: 0, changed: 0, failed: 0, stopped: 0, waiting: 0 });
    },
    submit: (path, stats) => {
      if (isKnown(path)) return undefined;
      if (!troubles.mustWait(path)) return submitWithRoom(path, stats);
      fates.waiting += 1;
      return undefined;
    },
    closed,
    isKnown,
    get underWay() {
      return sending.keys();
    },
    drain: async () => {
      while (isBusy()) await (drained = Promise.withResolvers()).promise;
      if (defects.length > 0) throw new AggregateError(defects, 'sending failed in a way that it must not');
    },
  };
};
