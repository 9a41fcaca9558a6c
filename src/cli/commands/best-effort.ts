import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Report } from '../../core/events.ts';
import { BestEffort } from '../../maintain/fill/best-effort.ts';
import { endsIn } from '../../maintain/fill/fill.ts';
import type { OpenSite } from './open-site.ts';

interface OpenBestEffort {
  /** Others write into the records of directories meanwhile. */
  readonly isBeside: boolean;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** undefined: all destinations of the site are required. */
export const openBestEffort = (
  { config, state, destinations, bestEffort }: OpenSite,
  { isBeside, report, signal }: OpenBestEffort,
): BestEffort | undefined =>
  bestEffort.length === 0
    ? undefined
    : new BestEffort({
        config,
        state,
        required: endsIn(config.destinations, destinations),
        destinations: endsIn(config.bestEffort, bestEffort),
        isBeside,
        report,
        signal,
      });

/** A best-effort destination at work beside the daemon. */
export interface BestEffortLoop extends AsyncDisposable {
  /** As soon as what is under way is over; while nothing gets there, with the next rescan. */
  readonly request: () => void;
}

/** Brings there what waits, now and every so often. @param defect is called with what should not happen */
export const loopBestEffort = (
  bestEffort: BestEffort,
  { everyMs, defect }: { readonly everyMs: number; readonly defect: (error: unknown) => void },
): BestEffortLoop => {
  let running: Promise<void> | undefined;
  let isWanted = false;
  const begin = (): void => {
    isWanted = running !== undefined;
    // What the daemon has just recorded is in its file with the next turn.
    running ??= nextTurn()
      .then(() => bestEffort.run())
      .catch(defect)
      .finally(() => {
        running = undefined;
        if (isWanted) begin();
      });
  };
  const timer = setInterval(begin, everyMs);
  begin();
  return {
    request: () => {
      if (!bestEffort.isDown) begin();
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      isWanted = false;
      bestEffort[Symbol.dispose]();
      await running;
    },
  };
};
