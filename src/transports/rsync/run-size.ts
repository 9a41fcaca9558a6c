/**
 * How much one run sends. Files are confirmed when the run ends, so a run must be short; starting one costs as much as a thousand
 * small files, so it must not be small; after a lost connection all its files are sent again, so it shrinks when that happens.
 */
export interface FinishedRun {
  readonly files: number;
  /** Sum of `weightOf` over its files. */
  readonly weight: number;
  readonly ms: number;
  readonly connectionLost: boolean;
  /** It stood still, and was ended. */
  readonly stalled: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** The cost of a file beside its content, in bytes. */
const FILE_OVERHEAD = 16 * KIB;
export const weightOf = (bytes: bigint): number => Number(bytes) + FILE_OVERHEAD;

export const FIRST_WEIGHT = 80 * MIB;
const MIN_WEIGHT = MIB;
const MAX_WEIGHT = 1024 * MIB;
const SHORT_MS = 2_000;
const LONG_MS = 4_000;

/** Pure. The weight limit of the next run. */
export const nextWeight = (weight: number, run: Omit<FinishedRun, 'files' | 'stalled'>): number => {
  if (run.connectionLost) return Math.max(MIN_WEIGHT, weight / 4);
  if (run.ms > LONG_MS) return Math.max(MIN_WEIGHT, weight / 2);
  const wasFull = run.weight * 2 > weight;
  return run.ms < SHORT_MS && wasFull ? Math.min(MAX_WEIGHT, weight * 2) : weight;
};
