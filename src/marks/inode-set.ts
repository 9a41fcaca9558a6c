const FIRST_SLOTS = 1024;
/** Of all slots, so many may be taken. */
const MOST_LOAD = 0.75;

// The numbers of one look-up as 32-bit halves: arithmetic with bigints makes an object a step.
const pair = new BigUint64Array(2);
const halves = new Uint32Array(pair.buffer);

/**
 * A set of pairs of 64-bit numbers in flat memory: 20 to 45 bytes a pair, where a Map of bigints takes five times as much.
 * The pair (0, 0) is never in it.
 */
export class InodeSet {
  #slots = new BigUint64Array(FIRST_SLOTS * 2);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(first: bigint, second: bigint): boolean {
    const at = this.#find(first, second);
    return this.#slots[at] !== 0n || this.#slots[at + 1] !== 0n;
  }

  add(first: bigint, second: bigint): void {
    if (this.has(first, second)) return;
    if ((this.#size + 1) * 2 > this.#slots.length * MOST_LOAD) this.#grow();
    const at = this.#find(first, second);
    this.#slots[at] = first;
    this.#slots[at + 1] = second;
    this.#size += 1;
  }

  /** Where the pair is, or the free slot where it belongs. */
  #find(first: bigint, second: bigint): number {
    const mask = this.#slots.length - 1;
    pair[0] = first;
    pair[1] = second;
    const mixed = Math.imul((halves[0] ?? 0) ^ ((halves[2] ?? 0) >>> 10) ^ ((halves[3] ?? 0) << 22), 0x9e3779b1);
    let at = ((mixed ^ (mixed >>> 15)) << 1) & mask;
    while (
      (this.#slots[at] !== 0n || this.#slots[at + 1] !== 0n) &&
      !(this.#slots[at] === first && this.#slots[at + 1] === second)
    ) {
      at = (at + 2) & mask;
    }
    return at;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new BigUint64Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) {
      const first = old[at] ?? 0n;
      const second = old[at + 1] ?? 0n;
      if (first === 0n && second === 0n) continue;
      const place = this.#find(first, second);
      this.#slots[place] = first;
      this.#slots[place + 1] = second;
    }
  }
}
