/** A number of units (bytes, places) that are lent and given back, first come, first served. */
export interface Budget {
  /** Waits until `units` are free: never more than there are in all. */
  take(units: number): Promise<void> | undefined;
  give(units: number): void;
}

/** `total` is asked each time: a budget may grow. */
export const createBudget = (total: () => number): Budget => {
  let lent = 0;
  const waiting: { readonly units: number; readonly resolve: () => void }[] = [];
  return {
    take: (units) => {
      if (waiting.length === 0 && lent + units <= total()) {
        lent += units;
        return undefined; // Nothing to await: this is a hot path.
      }
      return new Promise((resolve) => waiting.push({ units, resolve }));
    },
    give: (units) => {
      lent -= units;
      while (waiting[0] !== undefined && lent + waiting[0].units <= total()) {
        const next = waiting.shift();
        lent += next?.units ?? 0;
        next?.resolve();
      }
    },
  };
};
