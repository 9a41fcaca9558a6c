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
import type { Waiting } from './batch.ts';
import { createGatherer } from './batcher.ts';
import { parseRsyncOptions, type RsyncOptions } from './options.ts';
import { isShortLine, keepsStep } from './lockstep.ts';
import { FIRST_WEIGHT, nextWeight, weightOf } from './run-size.ts';
import type { Session } from './session.ts';
import { createVerifier } from './verifier.ts';

/** Files through rsync over one OpenSSH connection, in runs that confirm their files when they end; each file's fate is its own. */
export const rsync = definePlugin<RsyncOptions>({
  name: 'rsync',
  parseOptions: parseRsyncOptions,
  connect: (options, context) => createRsyncTransport(options, context),
});

const FILES_A_BATCH = 4096;
/** The start and the end of one run are hidden behind the others. */
const RUNS_AT_ONCE = 3;
const IN_FLIGHT = RUNS_AT_ONCE * FILES_A_BATCH;

const createRsyncTransport = (options: RsyncOptions, context: TransportContext): Transport => {
  const label = `rsync://${showLogin(options)}${options.path.startsWith('/') || options.path === '' ? '' : '/'}${options.path === '' ? '/' : options.path}`;
  const disposed = new AbortController();
  let session: Session | undefined;
  let connecting: Promise<Session> | undefined;
  let isComingUp = false;
  let runWeight = FIRST_WEIGHT;
  let inStep = false;

  const connect = async (): Promise<Session> => {
    try {
      await session?.close();
      // A run that has nothing to send does without.
      const { openSession } = await import('./session.ts');
      session = await openSession(options, context, label, disposed.signal);
      inStep = isShortLine(session.master.line);
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
  /** What waits meanwhile leaves together. */
  const bringUp = async (): Promise<void> => {
    if (isComingUp) return;
    isComingUp = true;
    try {
      await connected();
    } catch (error) {
      for (const { reject } of gatherer.clear()) reject(toTransportError(error, label));
    } finally {
      isComingUp = false;
    }
    gatherer.wake();
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
      const startedMs = performance.now();
      const { again, lineFailed } = await sendBatch(live, batch, { inStep }, run.signal);
      const ms = performance.now() - startedMs;
      const weight = batch.reduce((sum, waiting) => sum + weigh(waiting), 0);
      inStep &&= keepsStep(batch.length, ms);
      runWeight = nextWeight(runWeight, { weight, ms, failed: lineFailed });
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

  const gatherer = createGatherer<Waiting>({
    most: FILES_A_BATCH,
    weigh,
    mostWeight: () => runWeight,
    places: () => {
      if (isUp()) return context.bandwidth === null && session?.runs.alone === false ? RUNS_AT_ONCE : 1;
      void bringUp();
      return 0;
    },
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
      if (!isUp()) void bringUp();
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

const weigh = ({ file }: Waiting): number => weightOf(file.identity.size);

const toTransportError = (error: unknown, label: string): TransportError =>
  error instanceof TransportError
    ? error
    : new TransportError('network', `Cannot use ${label}: ${errorMessage(error)}`, { cause: error });
