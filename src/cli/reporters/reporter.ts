import type { Report } from '../../core/events.ts';

/** Prints events for people or for programs. */
export interface Reporter {
  readonly report: Report;
  /** Prints what is still pending and restores the terminal. */
  readonly end: () => void;
}
