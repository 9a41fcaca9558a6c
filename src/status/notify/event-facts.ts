import type { FailedEvent, IsocketEvent } from '../../core/events.ts';
import type { Name } from '../../name.ts';
import type { HeldFiles, SiteFacts } from './conditions.ts';

/** What the events of a run say of its troubles. */
export class EventFacts {
  readonly #now: () => number;
  readonly #down = new Map<string, SiteFacts['down'][number]>();
  /** Destinations of which this process knows something. */
  readonly #met = new Set<string>();
  #hasSent = false;
  readonly #failed = new Map<Name, FailedEvent>();
  /** Why a directory is not finished, where time does not mend it. */
  readonly #stuck = new Map<Name, string>();

  /** @param now milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  note(event: IsocketEvent): void {
    switch (event.type) {
      case 'connection': {
        const { destination } = event;
        const { sinceMs = this.#now() } = this.#down.get(destination) ?? {};
        this.#met.add(destination);
        this.#down.delete(destination);
        if (event.state === 'lost')
          this.#down.set(destination, {
            destination,
            message: event.message,
            hint: event.hint,
            refused: event.class === 'auth',
            sinceMs,
          });
        return;
      }
      case 'failed':
        if (event.held || event.class === 'file') this.#failed.set(event.path, event);
        return;
      case 'sent':
        this.#hasSent = true;
        if (this.#failed.size === 0) return;
        this.#failed.delete(event.path);
        this.#failed.delete(directoryOf(event.path)); // What failed was the directory: it can be worked on again.
        return;
      case 'unfinished':
        if (event.isStuck === true) this.#stuck.set(event.directory, event.reason);
        else this.#stuck.delete(event.directory);
        return;
      case 'finished':
        this.#stuck.delete(event.directory);
        for (const path of this.#failed.keys()) if (directoryOf(path) === event.directory) this.#failed.delete(path);
        return;
    }
  }

  /** Was this destination tried, as far as the events tell? What every destination confirmed was at each. */
  hasMet(destination: string): boolean {
    return this.#hasSent || this.#met.has(destination);
  }

  get down(): SiteFacts['down'] {
    return [...this.#down.values()];
  }

  /** Directories on which no work is possible, or that cannot be finished. */
  get unworkable(): readonly Failing[] {
    return this.#failing.filter(({ path }) => !path.includes('/'));
  }

  /** Of a run that tries each file, and is through. */
  get held(): readonly HeldFiles[] {
    return heldFiles(this.#failing);
  }

  get #failing(): readonly Failing[] {
    const failed = [...this.#failed.values()].map(({ path, message: reason, hint }) => ({ path, reason, hint }));
    const stuck = [...this.#stuck].filter(([path]) => !this.#failed.has(path));
    return [...failed, ...stuck.map(([path, reason]) => ({ path, reason }))];
  }
}

export interface Failing {
  readonly path: Name;
  readonly reason: string;
  readonly hint?: string | undefined;
}

const directoryOf = (path: Name): Name => path.split('/', 1)[0] ?? '';

/** By directory. Pure. */
export const heldFiles = (files: readonly Failing[]): HeldFiles[] =>
  [...Map.groupBy(files, ({ path }) => directoryOf(path))].flatMap(([directory, [first, ...others]]) =>
    first === undefined
      ? []
      : [{ directory, count: 1 + others.length, first: first.path, reason: first.reason, hint: first.hint }],
  );
