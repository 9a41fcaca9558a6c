import type { Config } from '../config/config.ts';
import type { DirectoryCycle } from './directory-cycle.ts';
import type { Sender } from './sender.ts';
import type { UploadQueue } from './upload-queue.ts';
import type { Name } from '../name.ts';
import type { HeldBackFile } from './listing.ts';

export interface CycleEnd {
  readonly finished: boolean;
  /** Milliseconds until another cycle may get further; undefined: when something happens. */
  readonly dueMs: number | undefined;
  /** Sub-folders that the last listing met, below the directory. */
  readonly folders: readonly Name[];
  readonly heldBack: readonly HeldBackFile[];
}

/** A destination that was left behind has room again when some of what waits for it is sent. */
export const BEHIND_MS = 1000;

/** A cycle is a listing: not more often than this, whatever the configuration says. */
const SOONEST_MS = 100;

interface Undone {
  readonly cycle: Pick<DirectoryCycle, 'plan' | 'listing' | 'awaitsQuiet' | 'openClaims'>;
  readonly queue: Pick<UploadQueue, 'failures' | 'outcomes'>;
  readonly sender: Pick<Sender, 'retryInMs'>;
  readonly config: Pick<Config, 'source'>;
}

/** When what holds files or the whole directory back may be over, in milliseconds; undefined: an event will tell. */
export const dueMs = ({ cycle, queue, sender, config }: Undone): number | undefined => {
  const { settleMs, supersededMs } = config.source;
  const { plan, listing, awaitsQuiet, openClaims } = cycle;
  const dues = [queue.failures.dueMs];
  const awaitsWriter = plan.closedBy !== null && listing?.openForWriting === true;
  if (listing !== undefined && (awaitsQuiet || awaitsWriter)) dues.push(settleMs);
  if (plan.closedBy === 'superseded') dues.push(supersededMs);
  // What a connection that is down kept from being sent or asked goes as soon as it may be up again.
  if (queue.outcomes.stopped + openClaims > 0 || listing === undefined) dues.push(sender.retryInMs);
  if (queue.outcomes['left-behind'] > 0) dues.push(BEHIND_MS);
  const known = dues.filter((due) => due !== undefined);
  return known.length === 0 ? undefined : Math.max(SOONEST_MS, Math.min(...known));
};
