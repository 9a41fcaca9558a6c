export interface RetryOptions {
  readonly firstMs: number;
  readonly mostMs: number;
  /** Failures of one file, or of the line, after which it is given up for now. */
  readonly hold: number;
}

/**
 * How long to wait before attempt `failures + 1`, in milliseconds: doubling, and anywhere below that ("full jitter"), so that
 * a hundred sites do not come back to one receiver in the same second. `random` gives numbers from 0 to 1.
 */
export const delayBefore = (failures: number, { firstMs, mostMs }: RetryOptions, random: () => number): number =>
  random() * Math.min(mostMs, firstMs * 2 ** (failures - 1));
