import { createSemaphore, type Semaphore } from '../core/semaphore.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import type { CycleEnd } from './cycle-end.ts';
import type { DirectoryWork } from './directory-work.ts';
import { ListingTurn } from './listing-turn.ts';

/** How much work on the directories of one site goes on side by side. */
export interface Limits {
  /** Backlog directories are listed one after the other … */
  readonly listing: Semaphore;
  /** … while so many wait for their last files and are verified. */
  readonly finishing: Semaphore;
}

const FINISHING_AT_ONCE = 16;

export const createLimits = (): Limits => ({
  listing: createSemaphore(() => 1),
  finishing: createSemaphore(() => FINISHING_AT_ONCE),
});

export interface CycleSteps {
  /** The work, opened when its turn comes; undefined: there is nothing to do after all. */
  readonly open: () => DirectoryWork | undefined;
  /** How the root shows the directory now: it may be closed while it is listed. */
  readonly plan: () => DirectoryPlan;
  /** Called when it was listed, or will not be. */
  readonly listed?: () => void;
  readonly signal: AbortSignal;
}

/**
 * One cycle of work on one directory, for `scan` and for the daemon: it is listed, its files are sent, and it is finished where that
 * may be. An open directory does not wait for the backlog.
 */
export const runCycle = async (
  limits: Limits,
  { open, plan, listed, signal }: CycleSteps,
): Promise<{ readonly work: DirectoryWork; readonly end: CycleEnd | undefined } | undefined> => {
  const isBacklog = plan().phase !== 'open';
  if (isBacklog) await limits.finishing.acquire(1);
  try {
    const turn = new ListingTurn(isBacklog ? limits.listing : undefined);
    await turn.begin();
    let work;
    try {
      work = signal.aborted ? undefined : open();
      await work?.list(plan(), turn);
    } finally {
      turn.end();
    }
    listed?.();
    if (work === undefined) return undefined;
    return { work, end: signal.aborted ? undefined : await work.finish(plan()) };
  } finally {
    if (isBacklog) limits.finishing.release(1);
  }
};
