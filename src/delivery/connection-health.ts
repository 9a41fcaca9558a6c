import { setTimeout as delay } from 'node:timers/promises';
import type { TransportError } from '../errors.ts';
import type { Report } from '../core/events.ts';
import { delayBefore, type RetryOptions } from '../core/retry.ts';

/**
 * The state of the way to one destination, shared by all sends: when it fails they wait together and try again together,
 * instead of each knocking on its own.
 */
export interface ConnectionHealth {
  readonly destination: string;
  /** Why nothing more is tried in this run. */
  readonly fatal: TransportError | undefined;
  /** Why it is down now; undefined while it is up, or not yet tried. */
  readonly failure: TransportError | undefined;
  /** Resolves when a send may be tried; undefined: now. */
  ready(): Promise<void> | undefined;
  succeeded(): void;
  /** A failure that is the line's, not a file's. */
  failed(error: TransportError, signal: AbortSignal): void;
}

/**
 * `pass`: a destination that was never reached is given up at once (the next run comes), one that was lost is tried again
 * `hold` times; where a person must act, or the disk is full, trying again soon would only hammer.
 * `forever`: nothing is given up.
 */
export type RetryMode = 'pass' | 'forever';

export interface HealthOptions {
  readonly destination: string;
  readonly retry: RetryOptions;
  readonly retryMode: RetryMode;
  readonly report: Report;
}

/** OpenSSH keeps count of refused logins and shuts out who knocks on (PerSourcePenalties). */
const AFTER_REFUSED_LOGIN_MS = 15_000;

export const createConnectionHealth = ({ destination, retry, retryMode, report }: HealthOptions): ConnectionHealth => {
  let failures = 0;
  let wasUp = false;
  let over: TransportError | undefined;
  let trouble: TransportError | undefined;
  let waiting: Promise<void> | undefined;

  const isWorthTrying = ({ class: kind }: TransportError): boolean =>
    retryMode === 'forever' || (kind === 'network' && wasUp && failures < retry.hold);
  const waitMs = ({ class: kind }: TransportError): number =>
    Math.max(delayBefore(failures, retry, Math.random), kind === 'auth' ? AFTER_REFUSED_LOGIN_MS : 0);

  return {
    destination,
    get fatal() {
      return over;
    },
    get failure() {
      return trouble;
    },
    ready: () => waiting,
    succeeded: () => {
      if (trouble !== undefined) report({ type: 'connection', destination, state: 'restored' });
      trouble = undefined;
      failures = 0;
      wasUp = true;
    },
    failed: (error, signal) => {
      // What fails while we wait belongs to the failure that made us wait.
      if (waiting !== undefined || over !== undefined) return;
      failures += 1;
      const retrying = isWorthTrying(error);
      // One notice an outage, and one more when it turns into another trouble.
      if (trouble?.class !== error.class || !retrying) {
        const hint = error.hint === undefined ? {} : { hint: error.hint };
        report({ type: 'connection', destination, state: 'lost', message: error.message, ...hint, retrying });
      }
      trouble = error;
      if (!retrying) {
        over = error;
        return;
      }
      waiting = delay(waitMs(error), undefined, { signal })
        .catch(() => undefined)
        .finally(() => {
          waiting = undefined;
        });
    },
  };
};
