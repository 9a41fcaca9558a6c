import { setTimeout as delay } from 'node:timers/promises';
import type { TransportError } from './errors.ts';
import type { Report } from './events.ts';
import { delayBefore, type RetryOptions } from './retry.ts';

/**
 * The state of the way to one destination, shared by all sends: when it fails they wait together and try again together,
 * instead of each knocking on its own.
 */
export interface Line {
  /** Why nothing more is tried in this run. */
  readonly over: TransportError | undefined;
  /** Resolves when a send may be tried. */
  ready(): Promise<void> | undefined;
  succeeded(): void;
  /** A failure that is the line's, not a file's. */
  failed(error: TransportError, signal: AbortSignal): void;
}

export interface LineOptions {
  readonly destination: string;
  readonly retry: RetryOptions;
  readonly report: Report;
}

/**
 * For one pass. A destination that was never reached is given up at once (the next run comes), one that was lost is tried
 * again `hold` times; where a person must act, or the disk is full, trying again soon would only hammer.
 */
export const createLine = ({ destination, retry, report }: LineOptions): Line => {
  let failures = 0;
  let wasUp = false;
  let over: TransportError | undefined;
  let waiting: Promise<void> | undefined;
  return {
    get over() {
      return over;
    },
    ready: () => waiting,
    succeeded: () => {
      failures = 0;
      wasUp = true;
    },
    failed: (error, signal) => {
      // What fails while we wait belongs to the failure that made us wait.
      if (waiting !== undefined || over !== undefined) return;
      failures += 1;
      const isLost = error.class === 'network' && wasUp && failures < retry.hold;
      report({
        type: 'line',
        destination,
        state: 'lost',
        message: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        retrying: isLost,
      });
      if (!isLost) {
        over = error;
        return;
      }
      waiting = delay(delayBefore(failures, retry, Math.random), undefined, { signal })
        .catch(() => undefined)
        .finally(() => {
          waiting = undefined;
        });
    },
  };
};
