import type { TransportError } from '../errors.ts';
import type { Name } from '../name.ts';
import { delayBefore, type RetryOptions } from './retry.ts';

/** A file that could not be sent, though the line is well. */
export interface Failure {
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
export interface Failures {
  readonly all: Iterable<Failure>;
  readonly size: number;
  failed(path: Name, error: TransportError): Failure;
  /** It was sent, or is no longer there. */
  resolved(path: Name): void;
  /** Must it wait? */
  mustWait(path: Name): boolean;
  /** Milliseconds until the next of them is worth an attempt; undefined where there is none. */
  readonly dueMs: number | undefined;
}

export const createFailures = (retry: RetryOptions, now: () => number, random: () => number): Failures => {
  const failures = new Map<Name, Failure>();
  return {
    get all() {
      return failures.values();
    },
    get size() {
      return failures.size;
    },
    failed: (path, error) => {
      const attempts = (failures.get(path)?.attempts ?? 0) + 1;
      const held = attempts >= retry.hold;
      const waitMs = held ? retry.mostMs : delayBefore(attempts, retry, random);
      const trouble = { path, error, attempts, held, nextMs: now() + waitMs };
      failures.set(path, trouble);
      return trouble;
    },
    resolved: (path) => {
      failures.delete(path);
    },
    mustWait: (path) => (failures.get(path)?.nextMs ?? 0) > now(),
    get dueMs() {
      if (failures.size === 0) return undefined;
      return Math.max(0, Math.min(...[...failures.values()].map(({ nextMs }) => nextMs)) - now());
    },
  };
};
