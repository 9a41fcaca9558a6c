import { setTimeout as delay } from 'node:timers/promises';
import {
  definePlugin,
  TransportError,
  type ExpectedFile,
  type Transport,
  type TransportContext,
} from '../../transport.ts';
import { errorMessage } from '../../errors.ts';
import { showLogin } from '../openssh/options.ts';
import { createAborts } from './aborts.ts';
import type { Waiting } from './batch.ts';
import { createGatherer } from './gather.ts';
import { parseRsyncOptions, type RsyncOptions } from './options.ts';
import type { Session } from './session.ts';
import { createVerifier } from './verifier.ts';

/** Files through rsync over one OpenSSH connection, in batches, each file confirmed on its own. */
export const rsync = definePlugin<RsyncOptions>({
  name: 'rsync',
  parseOptions: parseRsyncOptions,
  connect: (options, context) => createRsyncTransport(options, context),
});

const FILES_A_BATCH = 4096;
/** With so many a second run beside the first pays for its start. */
const WORTH_A_RUN = 1024;
/** While one batch runs, the next one gathers. */
const IN_FLIGHT = 2 * FILES_A_BATCH;
const BUSY = { firstMs: 25, mostMs: 2_000, times: 20 } as const;

const createRsyncTransport = (options: RsyncOptions, context: TransportContext): Transport => {
  const label = `rsync://${showLogin(options)}${options.path.startsWith('/') || options.path === '' ? '' : '/'}${options.path === '' ? '/' : options.path}`;
  const disposed = new AbortController();
  let session: Session | undefined;
  let connecting: Promise<Session> | undefined;
  let runsAtOnce = 2;
  let busyTimes = 0;

  const connect = async (): Promise<Session> => {
    try {
      await session?.close();
      // A run that has nothing to send does without.
      const { openSession } = await import('./session.ts');
      session = await openSession(options, context, label, disposed.signal);
      return session;
    } finally {
      connecting = undefined;
    }
  };
  const closed = (): TransportError => new TransportError('network', `Cannot use ${label}: it was closed`);
  const connected = async (): Promise<Session> => {
    if (disposed.signal.aborted) throw closed();
    if (session !== undefined && !session.master.closed) return session;
    return (connecting ??= connect());
  };

  /** Sends that have no fate yet: → the run they are in. */
  const open = new Map<Waiting, AbortController | undefined>();
  const runs = new Set<Promise<unknown>>();

  const runBatch = async (batch: readonly Waiting[]): Promise<readonly Waiting[]> => {
    const run = new AbortController();
    for (const waiting of batch) open.set(waiting, run);
    const stop = (): void => run.abort();
    disposed.signal.addEventListener('abort', stop, { once: true });
    try {
      const live = await connected();
      if (run.signal.aborted) return stillOpen(batch);
      const { sendBatch } = await import('./batch.ts');
      const { again, busy } = await sendBatch(live, batch, run.signal);
      if (busy && isLive(run)) await waitWhileBusy(again);
      else busyTimes = 0;
      return stillOpen(again);
    } catch (error) {
      for (const { reject } of batch) reject(toTransportError(error, label));
      return [];
    } finally {
      disposed.signal.removeEventListener('abort', stop);
    }
  };
  const stillOpen = (batch: readonly Waiting[]): Waiting[] =>
    batch.filter((waiting) => {
      if (!open.has(waiting)) return false;
      open.set(waiting, undefined);
      const aborted = abortedWith.get(waiting);
      if (aborted !== undefined) waiting.reject(aborted.reason);
      else if (disposed.signal.aborted) waiting.reject(closed());
      return open.has(waiting);
    });
  /** rrsync lets one in at a time, and the last one may not have left yet. */
  const waitWhileBusy = async (again: readonly Waiting[]): Promise<void> => {
    runsAtOnce = 1;
    busyTimes += 1;
    if (busyTimes < BUSY.times) {
      const ms = Math.min(BUSY.mostMs, BUSY.firstMs * 2 ** busyTimes);
      await delay(ms, undefined, { signal: disposed.signal }).catch(() => undefined);
      return;
    }
    busyTimes = 0;
    for (const { reject } of again) {
      reject(new TransportError('network', `Cannot use ${label}: another rsync is there all the time`));
    }
  };

  const gatherer = createGatherer<Waiting>({
    most: FILES_A_BATCH,
    atOnce: () => (context.bandwidth === null ? runsAtOnce : 1),
    worth: WORTH_A_RUN,
    run: (batch) => {
      const running = runBatch(batch);
      runs.add(running);
      return running.finally(() => runs.delete(running));
    },
  });

  const abortedWith = new WeakMap<Waiting, { readonly reason: unknown }>();
  const aborts = createAborts<Waiting>((items, reason) => {
    for (const waiting of items) {
      abortedWith.set(waiting, { reason });
      if (gatherer.remove(waiting)) waiting.reject(reason);
      // rsync cannot leave out one of its files: the run ends, and the others go again.
      else open.get(waiting)?.abort();
    }
  });

  const verifier = createVerifier(connected, () => open.size > 0);

  return {
    label,
    inFlight: IN_FLIGHT,
    send: async (file, signal) => {
      signal.throwIfAborted();
      if (disposed.signal.aborted) throw closed();
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const waiting: Waiting = {
        file,
        resolve: () => {
          open.delete(waiting);
          aborts.forget(signal, waiting);
          resolve(undefined);
        },
        reject: (error) => {
          open.delete(waiting);
          aborts.forget(signal, waiting);
          reject(error);
        },
      };
      open.set(waiting, undefined);
      aborts.watch(signal, waiting);
      gatherer.add(waiting);
      await promise;
    },
    verify: (files: readonly ExpectedFile[], how, signal) => verifier.verify(files, how, signal),
    tidy: async (folders, signal) => {
      signal.throwIfAborted();
      const { removePartials } = await import('./tidy.ts');
      await removePartials(await connected(), folders, AbortSignal.any([signal, disposed.signal]));
    },
    async *probe(signal) {
      const { probeDestination } = await import('./probe.ts');
      yield* probeDestination(connected, AbortSignal.any([signal, disposed.signal]));
    },
    [Symbol.asyncDispose]: async () => {
      disposed.abort();
      for (const { reject } of gatherer.clear()) reject(closed());
      await connecting?.catch(() => undefined);
      await Promise.allSettled([...runs]);
      await session?.close();
    },
  };
};

const isLive = ({ signal }: AbortController): boolean => !signal.aborted;

const toTransportError = (error: unknown, label: string): TransportError =>
  error instanceof TransportError
    ? error
    : new TransportError('network', `Cannot use ${label}: ${errorMessage(error)}`, { cause: error });
