/**
 * How finely the kernel stamps files. `distinct`: two changes never leave the same time (Linux 6.13 and later, once a file was looked
 * at). `jiffy`: changes within 10 ms do. `second`: a file system of whole seconds.
 */
export type Fineness = 'distinct' | 'jiffy' | 'second';

const JIFFY_MS = 10;
const MS_NS = 1_000_000n;
const EPOCH_MS = 1_700_000_000_003;

/** A clock that moves only when it is told to. */
export class Clock {
  readonly fineness: Fineness;
  /** Never goes back. */
  monotonicMs = 5000;
  /** How often it was set. */
  settings = 0;
  #offsetMs = EPOCH_MS;
  #stamps = 0n;

  constructor(fineness: Fineness) {
    this.fineness = fineness;
  }

  get wallMs(): number {
    return this.monotonicMs + this.#offsetMs;
  }

  advance(ms: number): void {
    this.monotonicMs += ms;
  }

  setBack(ms: number): void {
    this.#offsetMs -= ms;
    this.settings += 1;
  }

  /** The time that a change leaves on a file now. */
  stampNs(): bigint {
    const { wallMs } = this;
    if (this.fineness === 'second') return this.round(BigInt(Math.floor(wallMs)) * MS_NS);
    if (this.fineness === 'jiffy') return BigInt(Math.floor(wallMs / JIFFY_MS) * JIFFY_MS) * MS_NS;
    this.#stamps += 1n;
    return BigInt(Math.floor(wallMs)) * MS_NS + (this.#stamps % (MS_NS - 1n)) + 1n;
  }

  /** A time as the file system keeps it. */
  round(timeNs: bigint): bigint {
    return this.fineness === 'second' ? timeNs - (timeNs % (1000n * MS_NS)) : timeNs;
  }
}
