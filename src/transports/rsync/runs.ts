import { setTimeout as delay } from 'node:timers/promises';
import { createSemaphore } from '../../core/semaphore.ts';
import type { Master } from '../../ssh/program/master.ts';
import { isBusy, judgeRun, type RunEnd } from './judge.ts';
import { runRsync, type RunIo } from './run-rsync.ts';

/** Runs through one connection, as many at once as the other end lets in. */
export interface Runs {
  run(args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd>;
  /** rrsync lets one in at a time: no second one is worth its start. */
  readonly alone: boolean;
}

const MOST_AT_ONCE = 8; // sshd lets ten into one connection.
const BUSY = { firstMs: 25, mostMs: 2_000, times: 20 } as const;

/** What went through a master hears of a lost line before we hear of the master's end: so long we wait for that. */
const NEWS_MS = 500;

export const createRuns = (master: Master): Runs => {
  let alone = false;
  const places = createSemaphore(() => (alone ? 1 : MOST_AT_ONCE));
  const runOnce = async (args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd> => {
    await places.acquire(1);
    try {
      const end = await runRsync(args, io, signal);
      if (!signal.aborted && isLineLost(end)) {
        const heard = new AbortController();
        const late = delay(NEWS_MS, undefined, { signal: heard.signal }).catch(() => undefined);
        await Promise.race([master.ended, late]);
        heard.abort();
      }
      return end;
    } finally {
      places.release(1);
    }
  };
  return {
    get alone() {
      return alone;
    },
    run: async (args, io, signal) => {
      for (let times = 1; ; times += 1) {
        const end = await runOnce(args, io, signal);
        if (!isBusy(end) || times === BUSY.times || signal.aborted) return end;
        // Another one of ours, or one that has not left yet.
        alone = true;
        const ms = Math.min(BUSY.mostMs, BUSY.firstMs * 2 ** times);
        await delay(ms, undefined, { signal }).catch(() => undefined);
      }
    },
  };
};

const isLineLost = (end: RunEnd): boolean => {
  const verdict = judgeRun(end);
  return verdict.kind === 'line' && verdict.class === 'network' && !isBusy(end);
};
