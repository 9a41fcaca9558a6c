import type { TransportError } from '../errors.ts';
import type { Name } from '../name.ts';
import { delayBefore, type RetryOptions } from './retry.ts';

/** A file that could not be sent, though the line is well. */
export interface Trouble {
  readonly path: Name;
  readonly error: TransportError;
  /** Failures so far. */
  readonly attempts: number;
  /** It failed so often that it is tried at the slow pace only: contract.md §3. */
  readonly held: boolean;
  /** When it is worth another attempt, by the clock that `now` reads. */
  readonly nextMs: number;
}

/** The files of one directory that failed: each waits longer than the last time, and none is ever given up. */
export interface Troubles {
  readonly all: Iterable<Trouble>;
  readonly size: number;
  failed(path: Name, error: TransportError): Trouble;
  /** It was sent, or is no longer there. */
  over(path: Name): void;
  /** Must it wait? */
  mustWait(path: Name): boolean;
  /** Milliseconds until the next of them is worth an attempt; undefined where there is none. */
  readonly dueMs: number | undefined;
}

export const createTroubles = (retry: RetryOptions, now: () => number, random: () => number): Troubles => {
  const troubles = new Map<Name, Trouble>();
  return {
    get all() {
      return troubles.values();
    },
    get size() {
      return troubles.size;
    },
    failed: (path, error) => {
      const attempts = (troubles.get(path)?.attempts ?? 0) + 1;
      const held = attempts >= retry.hold;
      const waitMs = held ? retry.mostMs : delayBefore(attempts, retry, random);
      const trouble = { path, error, attempts, held, nextMs: now() + waitMs };
      troubles.set(path, trouble);
      return trouble;
    },
    over: (path) => {
      troubles.delete(path);
    },
    mustWait: (path) => (troubles.get(path)?.nextMs ?? 0) > now(),
    get dueMs() {
      if (troubles.size === 0) return undefined;
      return Math.max(0, Math.min(...[...troubles.values()].map(({ nextMs }) => nextMs)) - now());
    },
  };
};
