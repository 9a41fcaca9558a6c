import { TimeHeap } from './time-heap.ts';

/**
 * The processor of a collector: all jobs share it evenly, none has more than one core. Each job ends when the share that everybody had since
 * it began has reached its work, so that a million changes of their number cost one addition each.
 */
export class Processor<T> {
  readonly #cores: number;
  readonly #ends = new TimeHeap<T>();
  readonly #live = new Set<T>();
  #share = 0;
  #nowMs = 0;

  constructor(cores: number) {
    this.#cores = cores;
  }

  /** When the next job ends, if none is added or dropped before; Infinity: there is none. */
  get nextMs(): number {
    this.#forgetDropped();
    return this.#live.size === 0 ? Infinity : this.#nowMs + (this.#ends.next - this.#share) / this.#rate;
  }

  add(nowMs: number, job: T, workMs: number): void {
    this.#goTo(nowMs);
    this.#live.add(job);
    this.#ends.add(this.#share + workMs, job);
  }

  /** Of a job that has ended nothing is left to drop. */
  drop(nowMs: number, job: T): void {
    this.#goTo(nowMs);
    this.#live.delete(job);
  }

  /** Takes the job that ends now. */
  take(nowMs: number): T | undefined {
    this.#forgetDropped();
    this.#goTo(nowMs);
    const job = this.#ends.take();
    if (job !== undefined) this.#live.delete(job);
    return job;
  }

  get #rate(): number {
    return Math.min(1, this.#cores / Math.max(1, this.#live.size));
  }

  #goTo(nowMs: number): void {
    this.#share += (nowMs - this.#nowMs) * this.#rate;
    this.#nowMs = nowMs;
  }

  #forgetDropped(): void {
    for (let job = this.#ends.first; job !== undefined && !this.#live.has(job); job = this.#ends.first)
      this.#ends.take();
  }
}
