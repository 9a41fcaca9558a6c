import type { HeldBackReason } from './events.ts';

/** What is known of one unsent file when it is listed without a close event. */
export interface Candidate {
  /** The directory is closed by `finished.parse`: the parser says that no file is being written any more. */
  readonly closedByParser: boolean;
  /** Time since its last change of any kind (ctime). */
  readonly quietMs: number;
  /** A process that has it open for writing. */
  readonly writer: number | undefined;
}

/** Why a file must not be sent yet, or undefined when it may: contract.md §6 `source.settle`. */
export const heldBack = (file: Candidate, settleMs: number): HeldBackReason | undefined => {
  if (file.writer !== undefined) return { kind: 'open-for-writing', pid: file.writer };
  // A change that lies in the future says only that the clock was set back: it must not hold a file for an hour.
  if (file.closedByParser || file.quietMs >= settleMs || file.quietMs < -1000) return undefined;
  return { kind: 'settling', secondsLeft: Math.ceil((settleMs - file.quietMs) / 1000) };
};
