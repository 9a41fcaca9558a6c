const TICK_MS = 100;
const LATE_MS = 250;

/** Reports a late event loop. The timer runs only while there are subscribers, and does not keep the process alive. */
export const createLagDetector = (): ((callback: () => void) => () => void) => {
  const callbacks = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  let dueAt = 0;
  const tick = (): void => {
    const lateMs = performance.now() - dueAt;
    dueAt = performance.now() + TICK_MS;
    if (lateMs < LATE_MS) return;
    // After the I/O callbacks that are due: a listing from then on covers those events, too.
    setImmediate(() => callbacks.forEach((callback) => callback()));
  };
  return (callback) => {
    callbacks.add(callback);
    if (timer === undefined) {
      dueAt = performance.now() + TICK_MS;
      timer = setInterval(tick, TICK_MS);
      timer.unref();
    }
    return () => {
      callbacks.delete(callback);
      if (callbacks.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  };
};
