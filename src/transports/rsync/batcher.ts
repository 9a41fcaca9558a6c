/** Work that is done in batches: what comes while a batch runs waits for the next one. */
export interface Gatherer<T> {
  add(item: T): void;
  /** Takes back what still waits; false where it is not there (any more). */
  remove(item: T): boolean;
  /** Takes back all that waits. */
  clear(): T[];
  /** There are places now. */
  wake(): void;
}

export interface GathererOptions<T> {
  /** Items in a batch. */
  readonly most: number;
  /** What an item weighs, and what those of a batch may weigh; a heavier one goes alone. */
  readonly weigh?: (item: T) => number;
  readonly mostWeight?: () => number;
  /** Batches at once. 0: none yet, and `wake` is called when there are. */
  readonly places: () => number;
  /** A batch beside another one is worth its start where it is full to so large a part. */
  readonly worth?: number;
  /** True: there is no haste, a fuller batch is better. */
  readonly mayLinger?: () => boolean;
  /** What comes in one burst shall leave in one batch: so long without another item is its end. */
  readonly quietMs?: number;
  /** Never rejects. What it returns waits again. */
  readonly run: (batch: readonly T[]) => Promise<readonly T[]>;
}

const QUIET_MS = 4;
/** So many quiet times in all. */
const LONGEST = 15;
const LONG_LINGER_MS = 1_000;

export const createGatherer = <T>({
  most,
  weigh = () => 1,
  mostWeight = () => Infinity,
  places,
  worth = 1 / 4,
  mayLinger = () => false,
  quietMs = QUIET_MS,
  run,
}: GathererOptions<T>): Gatherer<T> => {
  const waiting = new Set<T>();
  let weight = 0;
  let running = 0;
  let quiet: NodeJS.Timeout | undefined;
  let firstMs = 0;

  const put = (item: T): void => {
    if (!waiting.has(item)) weight += weigh(item);
    waiting.add(item);
  };
  const remove = (item: T): boolean => {
    const wasThere = waiting.delete(item);
    if (wasThere) weight -= weigh(item);
    return wasThere;
  };
  const isFull = (share: number): boolean => waiting.size >= most * share || weight >= mostWeight() * share;

  const start = (): void => {
    if (waiting.size === 0 || running >= places()) return;
    if (running > 0 && !isFull(worth)) return;
    clearTimeout(quiet);
    quiet = undefined;
    const batch: T[] = [];
    let left = mostWeight();
    for (const item of waiting) {
      left -= weigh(item);
      if (batch.length === most || (left < 0 && batch.length > 0)) break;
      batch.push(item);
      remove(item);
    }
    running += 1;
    void run(batch).then((again) => {
      running -= 1;
      again.forEach(put);
      if (waiting.size > 0 && mayLinger()) schedule();
      else start();
    });
    start();
  };
  const schedule = (): void => {
    if (isFull(1)) {
      start();
      return;
    }
    const now = performance.now();
    if (quiet === undefined) firstMs = now;
    clearTimeout(quiet);
    const leftMs = firstMs + (mayLinger() ? LONG_LINGER_MS : LONGEST * quietMs) - now;
    quiet = setTimeout(start, Math.max(0, mayLinger() ? leftMs : Math.min(leftMs, quietMs)));
  };
  return {
    add: (item) => {
      put(item);
      schedule();
    },
    remove,
    clear: () => {
      const all = [...waiting];
      all.forEach(remove);
      return all;
    },
    wake: start,
  };
};
