const FIRST_SLOTS = 1024;
/** Share of the slots that may be in use before the table doubles. */
const MOST_LOAD = 0.7;

/**
 * A hash table from 64-bit keys to 64-bit values, or a set of keys, in flat memory: 23 to 46 bytes an entry (a set: 12 to 23), where a
 * Map of bigints takes five times as much. Keys and values are two 32-bit numbers each. A key must be a good hash already: its
 * first number chooses the slot. The lowest bit of its second number is not kept: it marks a slot in use.
 */
export class HashTable {
  readonly #width: 2 | 4;
  #slots: Uint32Array;
  #size = 0;

  constructor({ values }: { readonly values: boolean }) {
    this.#width = values ? 4 : 2;
    this.#slots = new Uint32Array(FIRST_SLOTS * this.#width);
  }

  get size(): number {
    return this.#size;
  }

  has(key0: number, key1: number): boolean {
    return this.#slots[this.#find(key0, key1) + 1] !== 0;
  }

  /** Is this the value of the key? `undefined` where the key is not in the table. */
  holds(key0: number, key1: number, value0: number, value1: number): boolean | undefined {
    const at = this.#find(key0, key1);
    if (this.#slots[at + 1] === 0) return undefined;
    return this.#slots[at + 2] === value0 >>> 0 && this.#slots[at + 3] === value1 >>> 0;
  }

  /** The first number of the value; `undefined` where the key is not in the table. */
  firstOf(key0: number, key1: number): number | undefined {
    const at = this.#find(key0, key1);
    return this.#slots[at + 1] === 0 ? undefined : this.#slots[at + 2];
  }

  /** A later value of the same key replaces the earlier one. */
  set(key0: number, key1: number, value0 = 0, value1 = 0): void {
    if ((this.#size + 1) * this.#width > this.#slots.length * MOST_LOAD) this.#grow();
    const at = this.#find(key0, key1);
    if (this.#slots[at + 1] === 0) this.#size += 1;
    this.#slots[at] = key0;
    this.#slots[at + 1] = key1 | 1;
    if (this.#width === 2) return;
    this.#slots[at + 2] = value0;
    this.#slots[at + 3] = value1;
  }

  /** Where the key is, or the free slot where it belongs. */
  #find(key0: number, key1: number): number {
    const slots = this.#slots;
    const width = this.#width;
    const mask = slots.length - 1;
    const first = key0 >>> 0;
    const second = (key1 | 1) >>> 0;
    let at = (first * width) & mask;
    while (slots[at + 1] !== 0 && !(slots[at] === first && slots[at + 1] === second)) at = (at + width) & mask;
    return at;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let from = 0; from < old.length; from += this.#width) {
      if (old[from + 1] === 0) continue;
      const at = this.#find(old[from] ?? 0, old[from + 1] ?? 0);
      for (let word = 0; word < this.#width; word += 1) this.#slots[at + word] = old[from + word] ?? 0;
    }
  }
}
