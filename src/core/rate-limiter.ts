import { setTimeout as delay } from 'node:timers/promises';
import type { Rate } from './bandwidth.ts';

/** Waits until so many bytes may leave; rejects once the signal is aborted. undefined: they may leave now. */
export type RateLimit = (bytes: number, signal: AbortSignal) => Promise<void> | undefined;

/** Timers are no finer than a few milliseconds: smaller debts are carried on. */
const LEAST_WAIT_MS = 10;
/** Whoever waits looks as often as this whether another rate is due. */
const MOST_WAIT_MS = 1000;

/** Holds bytes back so that no more than that rate, which is asked for each time, leave in the long run. */
export const createRateLimiter = (rate: () => Rate): RateLimit => {
  /** All bytes so far: those that were asked for, and those that may have left. */
  const total = { asked: 0, left: 0, atMs: performance.now() };
  /** Milliseconds until all that was asked for up to that byte may have left. */
  const waitMs = (upTo: number): number => {
    const nowMs = performance.now();
    const bytesPerSecond = rate();
    const since = bytesPerSecond === null ? Infinity : ((nowMs - total.atMs) / 1000) * bytesPerSecond;
    // Time in which nothing was asked for is not saved up.
    total.left = Math.min(total.asked, total.left + since);
    total.atMs = nowMs;
    return bytesPerSecond === null ? 0 : ((upTo - total.left) / bytesPerSecond) * 1000;
  };
  const wait = async (upTo: number, firstMs: number, signal: AbortSignal): Promise<void> => {
    for (let ms = firstMs; ms > LEAST_WAIT_MS; ms = waitMs(upTo))
      await delay(Math.min(ms, MOST_WAIT_MS), undefined, { signal });
  };
  return (bytes, signal) => {
    waitMs(total.asked);
    const upTo = (total.asked += bytes);
    const ms = waitMs(upTo);
    return ms > LEAST_WAIT_MS ? wait(upTo, ms, signal) : undefined;
  };
};
