/**
 * How much one run takes. It confirms its files when it ends, so it shall end soon; its start costs as much as a thousand small
 * files, so it shall not be small; and what was under way when the line fails goes again, so it shall be small where the line fails.
 */
export interface PastRun {
  /** What its files weighed. */
  readonly weight: number;
  readonly ms: number;
  /** The line failed. */
  readonly failed: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a file costs beside its content, in bytes. */
const A_FILE = 16 * KIB;
export const weightOf = (bytes: bigint): number => Number(bytes) + A_FILE;

export const FIRST_WEIGHT = 80 * MIB;
const LEAST_WEIGHT = MIB;
const MOST_WEIGHT = 1024 * MIB;
const SHORT_MS = 2_000;
const LONG_MS = 4_000;

/** What the next run may weigh. Pure. */
export const nextWeight = (weight: number, run: PastRun): number => {
  if (run.failed) return Math.max(LEAST_WEIGHT, weight / 4);
  if (run.ms > LONG_MS) return Math.max(LEAST_WEIGHT, weight / 2);
  const wasFull = run.weight * 2 > weight;
  return run.ms < SHORT_MS && wasFull ? Math.min(MOST_WEIGHT, weight * 2) : weight;
};
