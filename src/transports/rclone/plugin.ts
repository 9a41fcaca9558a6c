import { definePlugin, TransportError, type Name, type Transport, type TransportContext } from '../../transport.ts';
import { Reconnecting } from '../reconnecting.ts';
import { createTemporaryNames } from '../sftp/temporary-names.ts';
import { labelOf, parseRcloneOptions, type RcloneOptions } from './options.ts';
import { SentFiles } from './sent-files.ts';
import type { Session } from './session.ts';
import type { Shared } from './shared.ts';

/** Files to any remote of rclone, through one long-lived `rclone rcd`. */
export const rclone = definePlugin<RcloneOptions>({
  name: 'rclone',
  parseOptions: parseRcloneOptions,
  connect: (options, context) => createRcloneTransport(options, context),
});

/** Small files go in batches: enough of them wait for the next one. */
const MOST_IN_FLIGHT = 2000;

const createRcloneTransport = (options: RcloneOptions, context: TransportContext): Transport => {
  const label = labelOf(options);
  const underWay = new Map<Name, number>();
  const shared: Shared = { options, context, label, sent: new SentFiles(), underWay };
  const names = createTemporaryNames(context.owner);
  const running = new Set<Promise<unknown>>();
  const connection = new Reconnecting<Session>(label, async (signal) => {
    // Loaded on demand: most runs of isocket have nothing to send.
    const { openSession } = await import('./session.ts');
    return openSession(shared, signal);
  });

  /** Rejects with the signal's reason after an abort, and with `network` once it is disposed. */
  const run = async <T>(
    signal: AbortSignal,
    use: (session: Session, signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    const work = (async () => use(await connection.acquire(), AbortSignal.any([signal, connection.signal])))();
    running.add(work);
    try {
      return await work;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (connection.signal.aborted && !(error instanceof TransportError)) throw connection.stoppedError();
      throw error;
    } finally {
      running.delete(work);
    }
  };

  return {
    label,
    get inFlight() {
      return connection.live?.traits.isAtomic === true
        ? Math.max(MOST_IN_FLIGHT, options.transfers)
        : options.transfers;
    },
    underWay: () => underWay,
    isLost: () => connection.isLost,
    send: (file, signal) =>
      run(signal, async (session, either) => {
        const { goesInBatches, queueOf } = await import('./batch-queue.ts');
        if (goesInBatches(session, file)) return queueOf(session).send(file, either);
        const { sendFile } = await import('./send-file.ts');
        return sendFile(session, file, names, either);
      }),
    verify: (files, how, signal) =>
      run(signal, async (session, either) => (await import('./verify.ts')).verifyFiles(session, files, how, either)),
    listTree: (folder, how, signal) =>
      run(signal, async (session, either) => (await import('./list-tree.ts')).listTree(session, folder, how, either)),
    fetch: (files, how, signal) =>
      run(signal, async (session, either) => (await import('./fetch.ts')).fetchFiles(session, files, how, either)),
    tidy: (folders, signal) =>
      run(signal, async (session, either) => (await import('./tidy.ts')).removeTemporaries(session, folders, either)),
    async *probe(signal) {
      const { probeDestination } = await import('./probe.ts');
      yield* probeDestination(() => connection.acquire(), AbortSignal.any([signal, connection.signal]));
    },
    [Symbol.asyncDispose]: async () => {
      await connection[Symbol.asyncDispose]();
      await Promise.allSettled(running);
    },
  };
};
