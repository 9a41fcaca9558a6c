/** A number of units (bytes, places) that are lent and given back, first come, first served. */
export interface Budget {
  /** Waits until `units` are free. More than there are in all waits for all of them. */
  take(units: number): Promise<void> | undefined;
  give(units: number): void;
}

export const createBudget = (total: number): Budget => {
  let free = total;
  const waiting: { readonly units: number; readonly resolve: () => void }[] = [];
  return {
    take: (units) => {
      const wanted = Math.min(units, total);
      if (waiting.length === 0 && wanted <= free) {
        free -= wanted;
        return undefined; // Nothing to await: this is a hot path.
      }
      return new Promise((resolve) => waiting.push({ units: wanted, resolve }));
    },
    give: (units) => {
      free += Math.min(units, total);
      while (waiting[0] !== undefined && waiting[0].units <= free) {
        const next = waiting.shift();
        free -= next?.units ?? 0;
        next?.resolve();
      }
    },
  };
};
