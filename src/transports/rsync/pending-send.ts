import type { OutgoingFile } from '../../transport.ts';
import type { RunStop } from './run-stop.ts';

/** One file's send: a promise that settles once, with the file's own outcome. */
export class PendingSend {
  readonly file: OutgoingFile;
  /** The sender's: aborts this send. */
  readonly signal: AbortSignal;
  /** The run that it is part of, if any. */
  run: RunStop | undefined;
  readonly #outcome = Promise.withResolvers<undefined>();
  readonly #onSettled: (send: PendingSend) => void;
  #isSettled = false;

  /** @param onSettled called once, before the promise settles */
  constructor(file: OutgoingFile, signal: AbortSignal, onSettled: (send: PendingSend) => void = () => undefined) {
    this.file = file;
    this.signal = signal;
    this.#onSettled = onSettled;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Resolves when the destination has confirmed the file; rejects with the reason why it did not. */
  get outcome(): Promise<undefined> {
    return this.#outcome.promise;
  }

  resolve(): void {
    if (this.#settle()) this.#outcome.resolve(undefined);
  }

  /** After an abort it rejects with the signal's reason. */
  reject(error: unknown): void {
    if (this.#settle()) this.#outcome.reject(this.signal.aborted ? this.signal.reason : error);
  }

  /** False where it was settled before. */
  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#onSettled(this);
    return true;
  }
}
