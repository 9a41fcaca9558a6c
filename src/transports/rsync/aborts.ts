interface Watched<T> {
  readonly items: Set<T>;
  readonly listener: () => void;
}

/** One listener a signal for all its items: `removeEventListener` is linear in the number of listeners, and there are thousands of sends. */
export class AbortListeners<T> {
  readonly #onAbort: (items: readonly T[]) => void;
  readonly #watched = new Map<AbortSignal, Watched<T>>();

  constructor(onAbort: (items: readonly T[]) => void) {
    this.#onAbort = onAbort;
  }

  watch(signal: AbortSignal, item: T): void {
    const known = this.#watched.get(signal);
    if (known !== undefined) {
      known.items.add(item);
      return;
    }
    const items = new Set([item]);
    const listener = (): void => {
      this.#watched.delete(signal);
      this.#onAbort([...items]);
    };
    signal.addEventListener('abort', listener, { once: true });
    this.#watched.set(signal, { items, listener });
  }

  forget(signal: AbortSignal, item: T): void {
    const known = this.#watched.get(signal);
    if (known === undefined) return;
    known.items.delete(item);
    if (known.items.size > 0) return;
    signal.removeEventListener('abort', known.listener);
    this.#watched.delete(signal);
  }
}
