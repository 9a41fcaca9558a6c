/** Kernels stamp files by a clock that moves in jiffies: at most 10 ms (HZ=100) apart. */
export const JIFFY_MS = 10;
const SECOND_NS = 1_000_000_000n;
/** A whole second, and what the kernel's clock may lag behind: until then it may still stamp the second before. */
export const COARSE_TICK_MS = 1000 + JIFFY_MS;

/**
 * Two changes within one tick of the source's clock leave the same times. A ctime of whole seconds is that of a file system without fractions (ext3, ext4 with 128-byte inodes, many NAS); a fine
 * clock shows one by chance, once in a hundred files or less, and then a file only waits a second for nothing.
 */
export const isCoarse = (ctimeNs: bigint): boolean => ctimeNs % SECOND_NS === 0n;

/**
 * Milliseconds until the tick of that change is over; 0 where it is, and where the time lies in the future.
 * @param fineMs the tick where times have fractions of a second
 */
export const tickLeftMs = (ctimeNs: bigint, nowMs: number, fineMs = JIFFY_MS): number => {
  const sinceMs = nowMs - Number(ctimeNs / 1_000_000n);
  const tickMs = isCoarse(ctimeNs) ? COARSE_TICK_MS : fineMs;
  return sinceMs < 0 ? 0 : Math.max(0, tickMs - sinceMs);
};

/** The last millisecond that a time of the file system may stand for: one of whole seconds for any in its second. */
export const latestOf = (timeMs: number): number => (timeMs % 1000 === 0 ? timeMs + 999 : timeMs);
