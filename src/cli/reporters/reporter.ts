import type { Report } from '../../core/events.ts';

/** Turns events into what people or machines read. */
export interface Reporter {
  readonly report: Report;
  /** Says what it still held back, and puts the terminal in order. */
  readonly end: () => void;
}
