import { setTimeout as delay } from 'node:timers/promises';
import type { Report } from '../../core/events.ts';
import { delayBefore, type RetryOptions } from '../../core/retry.ts';
import { TransportError } from '../../errors.ts';
import type { Transport } from '../../transport.ts';

export interface PersistenceOptions {
  readonly transport: Transport;
  readonly retry: RetryOptions;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Calls `act`, and again where the connection is lost. */
export type Persistently = <T>(act: () => Promise<T>) => Promise<T>;

/**
 * A lost connection is tried again, less often each time, and given up after `retry.hold` times without progress.
 * @param progress grows with what is done
 */
export const createPersistently = (
  { transport, retry, report, signal }: PersistenceOptions,
  progress: () => number,
): Persistently => {
  let failures = 0;
  return async (act) => {
    for (;;) {
      const before = progress();
      try {
        return await act();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransportError) || error.class !== 'network') throw error;
        failures = progress() > before ? 1 : failures + 1;
        if (failures >= retry.hold) throw error;
        const { message, hint } = error;
        const why = { message, ...(hint === undefined ? {} : { hint }) };
        report({
          type: 'connection',
          destination: transport.label,
          state: 'lost',
          class: error.class,
          ...why,
          retrying: true,
        });
        await delay(delayBefore(failures, retry, Math.random), undefined, { signal });
      }
    }
  };
};
