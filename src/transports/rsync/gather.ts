/** Work that is done in batches: what comes while a batch runs waits for the next one. */
export interface Gatherer<T> {
  add(item: T): void;
  /** Takes back what still waits; false where it is not there (any more). */
  remove(item: T): boolean;
  /** Takes back all that waits. */
  clear(): T[];
  /** Nothing waits and nothing runs. */
  readonly idle: boolean;
}

export interface GathererOptions<T> {
  /** Items in a batch. */
  readonly most: number;
  /** Batches at once. */
  readonly atOnce: () => number;
  /** Beyond the first only batches of so many are worth their start; without it, full ones. */
  readonly worth?: number;
  /** True: there is no haste, a fuller batch is better. */
  readonly mayLinger?: () => boolean;
  /** Never rejects. What it returns waits again. */
  readonly run: (batch: readonly T[]) => Promise<readonly T[]>;
}

// What comes in one burst shall leave in one batch: so long without another item, and no longer in all.
const QUIET_MS = 4;
const LINGER_MS = 60;
const LONG_LINGER_MS = 1_000;

export const createGatherer = <T>({
  most,
  atOnce,
  worth = most,
  mayLinger = () => false,
  run,
}: GathererOptions<T>): Gatherer<T> => {
  const waiting = new Set<T>();
  let running = 0;
  let quiet: NodeJS.Timeout | undefined;
  let firstMs = 0;

  const start = (): void => {
    if (waiting.size === 0 || running >= atOnce()) return;
    if (running > 0 && waiting.size < worth) return;
    clearTimeout(quiet);
    quiet = undefined;
    const batch: T[] = [];
    for (const item of waiting) {
      if (batch.length === most) break;
      batch.push(item);
      waiting.delete(item);
    }
    running += 1;
    void run(batch).then((again) => {
      running -= 1;
      for (const item of again) waiting.add(item);
      if (waiting.size > 0 && mayLinger()) schedule();
      else start();
    });
  };
  const schedule = (): void => {
    if (running > 0 || waiting.size >= most) {
      start();
      return;
    }
    const now = performance.now();
    if (quiet === undefined) firstMs = now;
    clearTimeout(quiet);
    const leftMs = firstMs + (mayLinger() ? LONG_LINGER_MS : LINGER_MS) - now;
    quiet = setTimeout(start, Math.max(0, mayLinger() ? leftMs : Math.min(leftMs, QUIET_MS)));
  };
  return {
    add: (item) => {
      waiting.add(item);
      schedule();
    },
    remove: (item) => waiting.delete(item),
    clear: () => {
      const all = [...waiting];
      waiting.clear();
      return all;
    },
    get idle() {
      return waiting.size === 0 && running === 0;
    },
  };
};
