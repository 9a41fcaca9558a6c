const TICK_MS = 100;
const LATE_MS = 250;

/** Tells when the event loop was late. It ticks only while somebody listens, and holds no process. */
export const createLagDetector = (): ((callback: () => void) => () => void) => {
  const callbacks = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  let dueAt = 0;
  const tick = (): void => {
    const lateMs = performance.now() - dueAt;
    dueAt = performance.now() + TICK_MS;
    if (lateMs < LATE_MS) return;
    // After what has arrived meanwhile: who lists then lists what those events were about, too.
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
