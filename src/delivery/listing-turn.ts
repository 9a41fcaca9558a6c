import type { Semaphore } from '../core/semaphore.ts';

/** A directory's turn to be listed: one at a time, so that what is older goes first, and what waits is bounded. */
export class ListingTurn {
  readonly #turns: Semaphore | undefined;

  /** @param turns undefined: it does not wait for others, nor they for it */
  constructor(turns?: Semaphore) {
    this.#turns = turns;
  }

  async begin(): Promise<void> {
    await this.#turns?.acquire(1);
  }

  end(): void {
    this.#turns?.release(1);
  }

  /** While a destination is asked, which may be silent, others have their turn. */
  async aside<T>(asked: Promise<T>): Promise<T> {
    this.end();
    try {
      return await asked;
    } finally {
      await this.begin();
    }
  }
}
