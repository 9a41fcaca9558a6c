/** One listener a signal for all its items: `removeEventListener` is linear in the number of listeners, and there are thousands of sends. */
export interface Aborts<T> {
  watch(signal: AbortSignal, item: T): void;
  forget(signal: AbortSignal, item: T): void;
}

export const createAborts = <T>(onAbort: (items: readonly T[], reason: unknown) => void): Aborts<T> => {
  const watched = new Map<AbortSignal, { readonly items: Set<T>; readonly listener: () => void }>();
  const stop = (signal: AbortSignal): void => {
    const entry = watched.get(signal);
    if (entry !== undefined) signal.removeEventListener('abort', entry.listener);
    watched.delete(signal);
  };
  return {
    watch: (signal, item) => {
      const entry = watched.get(signal);
      if (entry !== undefined) {
        entry.items.add(item);
        return;
      }
      const items = new Set([item]);
      const listener = (): void => {
        watched.delete(signal);
        onAbort([...items], signal.reason);
      };
      signal.addEventListener('abort', listener, { once: true });
      watched.set(signal, { items, listener });
    },
    forget: (signal, item) => {
      const entry = watched.get(signal);
      entry?.items.delete(item);
      if (entry?.items.size === 0) stop(signal);
    },
  };
};
