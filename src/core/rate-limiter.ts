import { setTimeout as delay } from 'node:timers/promises';

/** Waits until so many bytes may leave; rejects once the signal is aborted. undefined: they may leave now. */
export type RateLimit = (bytes: number, signal: AbortSignal) => Promise<void> | undefined;

/** Holds bytes back so that no more than `bytesPerSecond` leave in the long run. */
export const createRateLimiter = (bytesPerSecond: number | null): RateLimit => {
  let paidUntilMs = 0;
  return (bytes, signal) => {
    if (bytesPerSecond === null) return undefined;
    const now = performance.now();
    paidUntilMs = Math.max(paidUntilMs, now) + (bytes / bytesPerSecond) * 1000;
    // Timers are no finer than a few milliseconds: smaller debts are carried on.
    return paidUntilMs - now > 10 ? delay(paidUntilMs - now, undefined, { signal }) : undefined;
  };
};
