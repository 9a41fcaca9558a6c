/** What happens next, earliest first; of two at the same time the one that was added first. */
export class TimeHeap<T> {
  readonly #heap: Entry<T>[] = [];
  #order = 0;

  /** The time of the next one; Infinity: there is none. */
  get next(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  get first(): T | undefined {
    return this.#heap[0]?.what;
  }

  add(at: number, what: T): void {
    const entry = { at, order: (this.#order += 1), what };
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || !isBefore(entry, above)) break;
      this.#heap[index] = above;
      index = parent;
    }
    this.#heap[index] = entry;
  }

  take(): T | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined || this.#heap.length === 0) return first?.what;
    this.#sink(last);
    return first.what;
  }

  #sink(entry: Entry<T>): void {
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const [left, right] = [this.#heap[child], this.#heap[child + 1]];
      if (left !== undefined && right !== undefined && isBefore(right, left)) child += 1;
      const below = this.#heap[child];
      if (below === undefined || !isBefore(below, entry)) break;
      this.#heap[index] = below;
      index = child;
    }
    this.#heap[index] = entry;
  }
}

interface Entry<T> {
  readonly at: number;
  readonly order: number;
  readonly what: T;
}

const isBefore = <T>(one: Entry<T>, other: Entry<T>): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);
