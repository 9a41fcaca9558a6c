import type { FileEvent, OnFileEvent } from '../../src/watcher/file-events.ts';

/** The events that a watcher has emitted so far, and a way to wait for more. */
export interface Heard {
  readonly events: FileEvent[];
  readonly onEvent: OnFileEvent;
  /** Resolves when `holds` is true; rejects after 30 s with the last events. */
  until(holds: () => boolean): Promise<void>;
  closed(): string[];
  rescans(why: string, path?: string): number;
}

export const listen = (act: OnFileEvent = () => undefined): Heard => {
  const events: FileEvent[] = [];
  const waiting = new Set<() => void>();
  const closed = (): string[] => events.flatMap((event) => (event.kind === 'closed' ? [event.path] : []));
  return {
    events,
    onEvent: (event) => {
      events.push(event);
      act(event);
      for (const check of waiting) check();
    },
    until: (holds) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          clearTimeout(timer);
          waiting.delete(check);
        };
        const check = (): void => {
          if (!holds()) return;
          end();
          resolve();
        };
        const timer = setTimeout(() => {
          end();
          reject(new Error(`not within 30 s; the last events: ${JSON.stringify(events.slice(-20))}`));
        }, 30_000);
        waiting.add(check);
        check();
      }),
    closed,
    rescans: (why, path = '') =>
      events.filter((event) => event.kind === 'rescan' && event.why === why && event.path === path).length,
  };
};
