import type { Rate } from '../../core/bandwidth.ts';
import type { OutgoingFile } from '../../transport.ts';

/** From this size rsync keeps what is there of a file that it was interrupted at: a smaller one is resent faster than it is resumed. */
export const RESUME_MIN_BYTES = 1024 * 1024;

/** A run of small files is soon done. */
const MAY_END_MS = 10_000;

/** The rate of a run is that of its beginning: one with a big file is ended when another rate is due, and goes on in the next run. */
const RATE_EVERY_MS = 2000;

/** How a run is asked to end: one of small files may go on to its end, for a while; one with a big file is interrupted. */
export class RunStop implements Disposable {
  readonly #interrupt = new AbortController();
  readonly #isBig: boolean;
  #isAsked = false;
  #timer: NodeJS.Timeout | undefined;

  readonly #watch: NodeJS.Timeout | undefined;

  /** @param rate as of now */
  constructor(batch: readonly { readonly file: OutgoingFile }[], rate: () => Rate) {
    this.#isBig = batch.some(({ file }) => file.identity.size >= RESUME_MIN_BYTES);
    const atFirst = rate();
    const check = (): void => {
      if (rate() !== atFirst) this.now();
    };
    if (this.#isBig) this.#watch = setInterval(check, RATE_EVERY_MS).unref();
  }

  /** Interrupts the run. */
  get signal(): AbortSignal {
    return this.#interrupt.signal;
  }

  /** True where it is waited for no longer than it moves bytes. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    if (this.#isBig) this.now();
    else this.#timer = setTimeout(() => this.now(), MAY_END_MS);
  }

  now(): void {
    this.#interrupt.abort();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
  }
}
