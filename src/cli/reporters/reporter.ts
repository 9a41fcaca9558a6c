import type { Report } from '../../core/events.ts';

/** Prints events for people or for programs. */
export interface Reporter {
  readonly report: Report;
  /** Lets somebody else write where it prints; undefined: nothing of it is in the way. */
  readonly beside?: (write: () => void) => void;
  /** Prints what is still pending and restores the terminal. */
  readonly end: () => void;
}
