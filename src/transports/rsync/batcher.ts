export interface BatcherOptions<T> {
  /** Items in a batch, at most. */
  readonly maxItems: number;
  /** Default: 1 each. */
  readonly weigh?: (item: T) => number;
  /** Weight of a batch, at most; an item that is heavier is a batch by itself, and leaves one slot for the others. */
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
const DEFAULTS = {
  weigh: () => 1,
  maxWeight: () => Infinity,
  minimumFill: 1 / 4,
  mayLinger: () => false,
  quietMs: QUIET_MS,
};
/** A batch waits for at most this many quiet periods. */
const MAX_QUIET_PERIODS = 15;
/** With `mayLinger`. */
const LINGER_MS = 1_000;

/** Groups items into batches: items added while a batch runs wait for the next one. */
export class Batcher<T> {
  readonly #options: Required<BatcherOptions<T>>;
  readonly #waiting = new Set<T>();
  #weight = 0;
  #running = 0;
  /** Running batches of one heavy item. */
  #alone = 0;
  #quiet: NodeJS.Timeout | undefined;
  #firstItemMs = 0;

  constructor(options: BatcherOptions<T>) {
    this.#options = { ...DEFAULTS, ...options };
  }

  add(item: T): void {
    this.#put(item);
    this.#schedule();
  }

  /** Removes an item that still waits; false where it does not wait (any more). */
  remove(item: T): boolean {
    const wasThere = this.#waiting.delete(item);
    if (wasThere) this.#weight -= this.#options.weigh(item);
    return wasThere;
  }

  /** Removes all waiting items. */
  clear(): T[] {
    const all = [...this.#waiting];
    for (const item of all) this.remove(item);
    return all;
  }

  /** Call when `slots` has grown. */
  wake(): void {
    this.#start();
  }

  #put(item: T): void {
    if (!this.#waiting.has(item)) this.#weight += this.#options.weigh(item);
    this.#waiting.add(item);
  }

  /** Whether the waiting items fill this share of a batch. */
  #isFull(share: number): boolean {
    const { maxItems, maxWeight } = this.#options;
    return this.#waiting.size >= maxItems * share || this.#weight >= maxWeight() * share;
  }

  /** Starts as many batches as there are slots and items for. */
  #start(): void {
    const { slots, minimumFill, run } = this.#options;
    while (this.#waiting.size > 0 && this.#running < slots()) {
      // One that is as long as a heavy item takes is not waited for.
      if (this.#running > this.#alone && !this.#isFull(minimumFill)) return;
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      clearTimeout(this.#quiet);
      this.#quiet = undefined;
      const isAlone = batch.some((item) => this.#isHeavy(item));
      this.#running += 1;
      if (isAlone) this.#alone += 1;
      void run(batch).then((unfinished) => {
        if (isAlone) this.#alone -= 1;
        this.#ended(unfinished);
      });
    }
  }

  #isHeavy(item: T): boolean {
    return this.#options.weigh(item) > this.#options.maxWeight();
  }

  #ended(unfinished: readonly T[]): void {
    this.#running -= 1;
    for (const item of unfinished) this.#put(item);
    if (this.#waiting.size > 0 && this.#options.mayLinger()) this.#schedule();
    else this.#start();
  }

  /** Empty: only heavy items wait, and as many run as may. */
  #nextBatch(): T[] {
    const { maxItems, maxWeight, weigh, slots } = this.#options;
    const mayBeHeavy = this.#alone < Math.max(1, slots() - 1);
    const batch: T[] = [];
    let weightLeft = maxWeight();
    for (const item of this.#waiting) {
      if (!mayBeHeavy && this.#isHeavy(item)) continue;
      weightLeft -= weigh(item);
      if (batch.length === maxItems || (weightLeft < 0 && batch.length > 0)) break;
      batch.push(item);
      this.remove(item);
    }
    return batch;
  }

  /** Starts a full batch at once, others when the burst of items ends. */
  #schedule(): void {
    if (this.#isFull(1)) {
      this.#start();
      return;
    }
    const { mayLinger, quietMs } = this.#options;
    const now = performance.now();
    if (this.#quiet === undefined) this.#firstItemMs = now;
    clearTimeout(this.#quiet);
    const leftMs = this.#firstItemMs + (mayLinger() ? LINGER_MS : MAX_QUIET_PERIODS * quietMs) - now;
    this.#quiet = setTimeout(() => this.#start(), Math.max(0, mayLinger() ? leftMs : Math.min(leftMs, quietMs)));
  }
}
