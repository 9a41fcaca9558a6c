/** Groups items into batches: items added while a batch runs wait for the next one. */
export interface Batcher<T> {
  add(item: T): void;
  /** Removes an item that still waits; false where it does not wait (any more). */
  remove(item: T): boolean;
  /** Removes all waiting items. */
  clear(): T[];
  /** Call when `slots` has grown. */
  wake(): void;
}

export interface BatcherOptions<T> {
  /** Items in a batch, at most. */
  readonly maxItems: number;
  /** Default: 1 each. */
  readonly weigh?: (item: T) => number;
  /** Weight of a batch, at most; an item that is heavier is a batch by itself. */
  readonly maxWeight?: () => number;
  /** Batches at once. 0: none yet; `wake` is called later. */
  readonly slots: () => number;
  /** The share of a full batch from which it starts beside a running one. */
  readonly minimumFill?: number;
  /** True: a fuller batch is worth a longer wait. */
  readonly mayLinger?: () => boolean;
  /** Items of one burst share a batch: it starts after this long without another item. */
  readonly quietMs?: number;
  /** Must not reject. Items that it returns wait again. */
  readonly run: (batch: readonly T[]) => Promise<readonly T[]>;
}

const QUIET_MS = 4;
/** A batch waits for at most this many quiet periods. */
const MAX_QUIET_PERIODS = 15;
/** With `mayLinger`. */
const LINGER_MS = 1_000;

export const createBatcher = <T>({
  maxItems,
  weigh = () => 1,
  maxWeight = () => Infinity,
  slots,
  minimumFill = 1 / 4,
  mayLinger = () => false,
  quietMs = QUIET_MS,
  run,
}: BatcherOptions<T>): Batcher<T> => {
  const waiting = new Set<T>();
  let weight = 0;
  let running = 0;
  let quiet: NodeJS.Timeout | undefined;
  let firstItemMs = 0;

  const put = (item: T): void => {
    if (!waiting.has(item)) weight += weigh(item);
    waiting.add(item);
  };
  const remove = (item: T): boolean => {
    const wasThere = waiting.delete(item);
    if (wasThere) weight -= weigh(item);
    return wasThere;
  };
  const isFull = (share: number): boolean => waiting.size >= maxItems * share || weight >= maxWeight() * share;

  const start = (): void => {
    if (waiting.size === 0 || running >= slots()) return;
    if (running > 0 && !isFull(minimumFill)) return;
    clearTimeout(quiet);
    quiet = undefined;
    const batch: T[] = [];
    let weightLeft = maxWeight();
    for (const item of waiting) {
      weightLeft -= weigh(item);
      if (batch.length === maxItems || (weightLeft < 0 && batch.length > 0)) break;
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
    if (quiet === undefined) firstItemMs = now;
    clearTimeout(quiet);
    const leftMs = firstItemMs + (mayLinger() ? LINGER_MS : MAX_QUIET_PERIODS * quietMs) - now;
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
