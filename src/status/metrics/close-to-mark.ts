import { Histogram, type Registry } from 'prom-client';
import type { IsocketEvent } from '../../core/events.ts';
import type { Name } from '../../name.ts';

/** Seconds. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];
/** Closed files of which nobody heard that they were sent: excluded ones, and those of an outage. */
const MOST_CLOSED = 100_000;

/** How long files take from their close to their mark. */
export class CloseToMark {
  readonly #histogram: Histogram;
  /** When each file was closed that was not sent since. */
  readonly #closedMs = new Map<Name, number>();

  constructor(registry: Registry) {
    this.#histogram = new Histogram({
      name: 'isocket_close_to_mark_seconds',
      help: 'From the close of a file to its mark.',
      buckets: BUCKETS,
      registers: [registry],
    });
  }

  /** Its writer closed it. */
  noteClosed(path: Name): void {
    this.#closedMs.delete(path); // The oldest are first.
    this.#closedMs.set(path, performance.now());
    if (this.#closedMs.size <= MOST_CLOSED) return;
    for (const [oldest] of this.#closedMs) {
      this.#closedMs.delete(oldest);
      return;
    }
  }

  note(event: IsocketEvent): void {
    if (event.type !== 'sent') return;
    const closedMs = this.#closedMs.get(event.path);
    if (closedMs === undefined) return;
    this.#closedMs.delete(event.path);
    this.#histogram.observe((performance.now() - closedMs) / 1000);
  }
}
