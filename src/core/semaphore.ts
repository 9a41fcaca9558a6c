/** A number of units (bytes, places) that are lent and given back, first come, first served. */
export interface Semaphore {
  /** Waits until `units` are free: never more than there are in all. */
  acquire(units: number): Promise<void> | undefined;
  release(units: number): void;
}

/** `total` is asked each time: a budget may grow. */
export const createSemaphore = (total: () => number): Semaphore => {
  let lent = 0;
  const waiting: { readonly units: number; readonly resolve: () => void }[] = [];
  return {
    acquire: (units) => {
      if (waiting.length === 0 && lent + units <= total()) {
        lent += units;
        return undefined; // Nothing to await: this is a hot path.
      }
      return new Promise((resolve) => waiting.push({ units, resolve }));
    },
    release: (units) => {
      lent -= units;
      while (waiting[0] !== undefined && lent + waiting[0].units <= total()) {
        const next = waiting.shift();
        lent += next?.units ?? 0;
        next?.resolve();
      }
    },
  };
};
