import { setTimeout as delay } from 'node:timers/promises';
import { delayBefore, type RetryOptions } from '../core/retry.ts';
import type { Report } from '../core/events.ts';
import type { TransportError } from '../errors.ts';

/**
 * `pass`: a destination that was never reached is given up at once (the next run comes), one that was lost is tried again
 * `hold` times, and one whose disk is full too: a big file that does not fit gives its room back. Where a person must act, trying again soon
 * would only hammer.
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

/**
 * The state of the connection to one destination, shared by all that goes over it: when it fails they wait together and try again
 * together, instead of each knocking on its own.
 */
export class ConnectionHealth {
  readonly #options: HealthOptions;
  #failures = 0;
  #wasUp = false;
  #failure: TransportError | undefined;
  /** A notice said so. */
  #isTold = false;
  #fatal: TransportError | undefined;
  #waiting: Promise<void> | undefined;
  #waitsUntilMs = 0;
  #downSinceMs = 0;
  #outages = 0;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get destination(): string {
    return this.#options.destination;
  }

  /** Why nothing more is tried in this run. */
  get fatal(): TransportError | undefined {
    return this.#fatal;
  }

  /** Why it is down now; undefined while it is up, or not yet tried. */
  get failure(): TransportError | undefined {
    return this.#failure;
  }

  /** When the outage began, in milliseconds since 1970; undefined while it is up. */
  get downSinceMs(): number | undefined {
    return this.#failure === undefined ? undefined : this.#downSinceMs;
  }

  /** It answered at least once. */
  get wasReached(): boolean {
    return this.#wasUp;
  }

  /** How often it failed so far. */
  get outages(): number {
    return this.#outages;
  }

  /** Milliseconds until it is tried again; undefined while it is up. */
  get retryInMs(): number | undefined {
    return this.#failure === undefined ? undefined : Math.max(0, this.#waitsUntilMs - performance.now());
  }

  /** Resolves when a request may be tried; undefined: now. */
  ready(): Promise<void> | undefined {
    return this.#waiting;
  }

  succeeded(): void {
    // What was under way when it was given up may still arrive.
    if (this.#fatal !== undefined) return;
    if (this.#isTold) this.#options.report({ type: 'connection', destination: this.destination, state: 'restored' });
    this.#isTold = false;
    this.#failure = undefined;
    this.#failures = 0;
    this.#wasUp = true;
  }

  /** It answered, if not with what was asked for. */
  answered(): void {
    this.#wasUp = true;
  }

  /** A failure that is the connection's, not a file's. */
  failed(error: TransportError, signal: AbortSignal): void {
    this.#outages += 1;
    // What fails while others wait belongs to the failure that made them wait.
    if (this.#waiting !== undefined || this.#fatal !== undefined) return;
    this.#failures += 1;
    this.#wasUp ||= error.wasReached;
    const retrying = this.#isRetried(error);
    // One notice an outage, and one more when it turns into another failure. That a disk is full may pass within the run.
    const mayPass = retrying && error.class === 'destination-full' && this.#options.retryMode === 'pass';
    if ((this.#failure?.class !== error.class || !retrying) && !mayPass) {
      this.#isTold = true;
      const { destination } = this;
      const hint = error.hint === undefined ? {} : { hint: error.hint };
      this.#options.report({
        type: 'connection',
        destination,
        state: 'lost',
        class: error.class,
        message: error.message,
        ...hint,
        retrying,
      });
    }
    if (this.#failure === undefined) this.#downSinceMs = Date.now();
    this.#failure = error;
    if (!retrying) {
      this.#fatal = error;
      return;
    }
    const waitMs = this.#waitMs(error);
    this.#waitsUntilMs = performance.now() + waitMs;
    this.#waiting = delay(waitMs, undefined, { signal })
      .catch(() => undefined)
      .finally(() => {
        this.#waiting = undefined;
      });
  }

  #isRetried({ class: kind }: TransportError): boolean {
    const { retryMode, retry } = this.#options;
    if (retryMode === 'forever') return true;
    return this.#failures < retry.hold && (kind === 'destination-full' || (kind === 'network' && this.#wasUp));
  }

  #waitMs({ class: kind }: TransportError): number {
    const backOff = delayBefore(this.#failures, this.#options.retry, Math.random);
    return Math.max(backOff, kind === 'auth' ? AFTER_REFUSED_LOGIN_MS : 0);
  }
}
