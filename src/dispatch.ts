import type { BigIntStats } from 'node:fs';
import type { Name } from './name.ts';
import type { MarkRecord } from './record.ts';
import type { Fate, Sender } from './sender.ts';

/** What a pass counts. */
export interface Tally {
  sent: number;
  bytes: number;
  skipped: number;
  failed: number;
  finished: number;
}

/** The files of one directory on their way. */
export interface Dispatch {
  /** How the sends so far ended. */
  readonly fates: Readonly<Record<Fate, number>>;
  /** Hands a file over as soon as the sender has room, and does not wait for its fate. */
  readonly submit: (path: Name, stats: BigIntStats) => Promise<void>;
  /** Resolves when nothing is under way any more. Rejects with a defect of ours. */
  readonly drain: () => Promise<void>;
}

export const createDispatch = (directory: Name, record: MarkRecord, sender: Sender, tally: Tally): Dispatch => {
  const fates: Record<Fate, number> = { sent: 0, changed: 0, failed: 0, stopped: 0 };
  const defects: unknown[] = [];
  let underWay = 0;
  let drained: PromiseWithResolvers<void> | undefined;

  const send = async (path: Name, stats: BigIntStats): Promise<void> => {
    underWay += 1;
    try {
      const fate = await sender.send({ directory, path, stats, record });
      fates[fate] += 1;
      if (fate === 'sent') {
        tally.sent += 1;
        tally.bytes += Number(stats.size);
      } else if (fate !== 'changed') tally.failed += 1;
    } catch (error) {
      defects.push(error);
    } finally {
      underWay -= 1;
      if (underWay === 0) drained?.resolve();
    }
  };
  return {
    fates,
    submit: async (path, stats) => {
      await sender.room();
      void send(path, stats);
    },
    drain: async () => {
      while (underWay > 0) await (drained = Promise.withResolvers()).promise;
      if (defects.length > 0) throw new AggregateError(defects, 'sending failed in a way that it must not');
    },
  };
};
