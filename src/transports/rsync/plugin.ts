import {
  definePlugin,
  TransportError,
  type ExpectedFile,
  type Transport,
  type TransportContext,
} from '../../transport.ts';
import { errorMessage } from '../../errors.ts';
import { showLogin } from '../../ssh/program/options.ts';
import { createAborts } from './aborts.ts';
import type { PendingSend } from './batch.ts';
import { createBatcher } from './batcher.ts';
import { parseRsyncOptions, type RsyncOptions } from './options.ts';
import { isLowLatency, keepsLockstep } from './lockstep.ts';
import { FIRST_WEIGHT, nextWeight, weightOf } from './run-size.ts';
import type { Session } from './session.ts';
import { createVerifier } from './verifier.ts';

/** Files through rsync over one OpenSSH connection, in runs that confirm their files when they end; each file has its own outcome. */
export const rsync = definePlugin<RsyncOptions>({
  name: 'rsync',
  parseOptions: parseRsyncOptions,
  connect: (options, context) => createRsyncTransport(options, context),
});

const FILES_A_BATCH = 4096;
/** The start and the end of one run overlap with the others. */
const MAX_RUNS = 3;
const IN_FLIGHT = MAX_RUNS * FILES_A_BATCH;

const createRsyncTransport = (options: RsyncOptions, context: TransportContext): Transport => {
  const label = `rsync://${showLogin(options)}${options.path.startsWith('/') || options.path === '' ? '' : '/'}${options.path === '' ? '/' : options.path}`;
  const disposed = new AbortController();
  let session: Session | undefined;
  let connecting: Promise<Session> | undefined;
  let isReconnecting = false;
  let runWeight = FIRST_WEIGHT;
  let lockstep = false;

  const connect = async (): Promise<Session> => {
    try {
      await session?.close();
      // Loaded on demand: most runs of isocket have nothing to send.
      const { openSession } = await import('./session.ts');
      session = await openSession(options, context, label, disposed.signal);
      lockstep = isLowLatency(session.master.latency);
      return session;
    } finally {
      connecting = undefined;
    }
  };
  const closed = (): TransportError => new TransportError('network', `Cannot use ${label}: it was closed`);
  const isUp = (): boolean => session?.master.closed === false;
  const connected = async (): Promise<Session> => {
    if (disposed.signal.aborted) throw closed();
    if (session !== undefined && isUp()) return session;
    return (connecting ??= connect());
  };
  /** Sends that wait meanwhile share a batch afterwards. */
  const reconnect = async (): Promise<void> => {
    if (isReconnecting) return;
    isReconnecting = true;
    try {
      await connected();
    } catch (error) {
      for (const { reject } of batcher.clear()) reject(toTransportError(error, label));
    } finally {
      isReconnecting = false;
    }
    batcher.wake();
  };

  /** Sends that are not settled → the run that they are in. */
  const unsettled = new Map<PendingSend, AbortController | undefined>();
  const runs = new Set<Promise<unknown>>();

  const runBatch = async (batch: readonly PendingSend[]): Promise<readonly PendingSend[]> => {
    const run = new AbortController();
    for (const send of batch) unsettled.set(send, run);
    const stop = (): void => run.abort();
    disposed.signal.addEventListener('abort', stop, { once: true });
    try {
      const live = await connected();
      if (run.signal.aborted) return stillUnsettled(batch);
      const { sendBatch } = await import('./batch.ts');
      const startedMs = performance.now();
      const { unsent, connectionLost } = await sendBatch(live, batch, { lockstep }, run.signal);
      const ms = performance.now() - startedMs;
      const weight = batch.reduce((sum, send) => sum + weigh(send), 0);
      lockstep &&= keepsLockstep(batch.length, ms);
      runWeight = nextWeight(runWeight, { weight, ms, connectionLost: connectionLost });
      return stillUnsettled(unsent);
    } catch (error) {
      for (const { reject } of batch) reject(toTransportError(error, label));
      return [];
    } finally {
      disposed.signal.removeEventListener('abort', stop);
    }
  };
  const stillUnsettled = (batch: readonly PendingSend[]): PendingSend[] =>
    batch.filter((send) => {
      if (!unsettled.has(send)) return false;
      unsettled.set(send, undefined);
      const aborted = abortedWith.get(send);
      if (aborted !== undefined) send.reject(aborted.reason);
      else if (disposed.signal.aborted) send.reject(closed());
      return unsettled.has(send);
    });

  const batcher = createBatcher<PendingSend>({
    maxItems: FILES_A_BATCH,
    weigh,
    maxWeight: () => runWeight,
    slots: () => {
      if (isUp()) return context.bandwidth === null && session?.runs.exclusive === false ? MAX_RUNS : 1;
      void reconnect();
      return 0;
    },
    run: (batch) => {
      const running = runBatch(batch);
      runs.add(running);
      return running.finally(() => runs.delete(running));
    },
  });

  const abortedWith = new WeakMap<PendingSend, { readonly reason: unknown }>();
  const aborts = createAborts<PendingSend>((items, reason) => {
    for (const send of items) {
      abortedWith.set(send, { reason });
      if (batcher.remove(send)) send.reject(reason);
      // rsync cannot drop one of its files: the run is ended, and the others are sent again.
      else unsettled.get(send)?.abort();
    }
  });

  const verifier = createVerifier(connected, () => unsettled.size > 0);

  return {
    label,
    inFlight: IN_FLIGHT,
    send: async (file, signal) => {
      signal.throwIfAborted();
      if (disposed.signal.aborted) throw closed();
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const send: PendingSend = {
        file,
        resolve: () => {
          unsettled.delete(send);
          aborts.forget(signal, send);
          resolve(undefined);
        },
        reject: (error) => {
          unsettled.delete(send);
          aborts.forget(signal, send);
          reject(error);
        },
      };
      unsettled.set(send, undefined);
      aborts.watch(signal, send);
      batcher.add(send);
      if (!isUp()) void reconnect();
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
      for (const { reject } of batcher.clear()) reject(closed());
      await connecting?.catch(() => undefined);
      await Promise.allSettled([...runs]);
      await session?.close();
    },
  };
};

const weigh = ({ file }: PendingSend): number => weightOf(file.identity.size);

const toTransportError = (error: unknown, label: string): TransportError =>
  error instanceof TransportError
    ? error
    : new TransportError('network', `Cannot use ${label}: ${errorMessage(error)}`, { cause: error });
