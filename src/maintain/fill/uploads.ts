import type { Semaphore } from '../../core/semaphore.ts';

/** Files that may wait for a slot: what finds more of them waits too. */
const MOST_WAITING = 1024;

/** Sends what is added, several at once, as the slots that are shared with others allow. */
export class Uploads<File> {
  readonly #slots: Semaphore;
  readonly #send: (file: File) => Promise<void>;
  #pending = 0;
  #failure: { readonly reason: unknown } | undefined;
  #progress = Promise.withResolvers<undefined>();

  /** @param send rejects with what ends all of them */
  constructor(slots: Semaphore, send: (file: File) => Promise<void>) {
    this.#slots = slots;
    this.#send = send;
  }

  add(file: File): void {
    this.#pending += 1;
    void this.#run(file);
  }

  /** Resolves when there is room for more. @throws the first failure */
  async room(): Promise<void> {
    while (this.#pending > MOST_WAITING) await this.#progress.promise;
    this.#throwFailure();
  }

  /** Resolves when nothing is under way any more, whatever became of it. */
  async settled(): Promise<void> {
    while (this.#pending > 0) await this.#progress.promise;
  }

  /** @throws the first failure, when nothing is under way any more */
  async end(): Promise<void> {
    await this.settled();
    this.#throwFailure();
  }

  async #run(file: File): Promise<void> {
    try {
      await this.#slots.acquire(1);
      try {
        if (this.#failure === undefined) await this.#send(file);
      } finally {
        this.#slots.release(1);
      }
    } catch (reason) {
      this.#failure ??= { reason };
    }
    this.#pending -= 1;
    this.#progress.resolve(undefined);
    this.#progress = Promise.withResolvers();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}
