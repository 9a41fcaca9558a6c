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
