import { showLogin } from '../../ssh/program/options.ts';
import { definePlugin, type Transport, type TransportContext } from '../../transport.ts';
import { Reconnecting } from '../reconnecting.ts';
import { parseRsyncOptions, type RsyncOptions } from './options.ts';
import { RunPolicy } from './run-policy.ts';
import { SendQueue } from './send-queue.ts';
import type { Session } from './session.ts';
import { createVerifier } from './verifier.ts';

/** Files through rsync over one OpenSSH connection, in runs that confirm their files when they end; each file has its own outcome. */
export const rsync = definePlugin<RsyncOptions>({
  name: 'rsync',
  parseOptions: parseRsyncOptions,
  connect: (options, context) => createRsyncTransport(options, context),
});

const createRsyncTransport = (options: RsyncOptions, context: TransportContext): Transport => {
  const label = labelOf(options);
  const policy = new RunPolicy();
  const connection = new Reconnecting<Session>(label, async (signal) => {
    // Loaded on demand: most runs of isocket have nothing to send.
    const { openSession } = await import('./session.ts');
    const session = await openSession(options, context, label, signal);
    policy.noteConnected(session.master.latency);
    return session;
  });
  const queue = new SendQueue({ connection, policy, bandwidth: () => context.bandwidth, label });
  const verifier = createVerifier(
    () => connection.acquire(),
    () => queue.isBusy,
  );
  return {
    label,
    inFlight: policy.maxInFlight,
    underWay: () => connection.live?.underWay ?? new Map(),
    isLost: () => connection.isLost,
    send: (file, signal) => queue.send(file, signal),
    verify: (files, how, signal) => verifier.verify(files, how, signal),
    listTree: async (folder, how, signal) => {
      signal.throwIfAborted();
      const { listTree } = await import('./list-tree.ts');
      await listTree(await connection.acquire(), folder, how, AbortSignal.any([signal, connection.signal]));
    },
    fetch: async (files, how, signal) => {
      signal.throwIfAborted();
      const { fetchFiles } = await import('./fetch.ts');
      await fetchFiles(await connection.acquire(), files, how, AbortSignal.any([signal, connection.signal]));
    },
    sums: async (files, signal) => {
      signal.throwIfAborted();
      const { sumsOf } = await import('./sums.ts');
      return sumsOf(await connection.acquire(), files, AbortSignal.any([signal, connection.signal]));
    },
    tidy: async (folders, signal) => {
      signal.throwIfAborted();
      const { removePartials } = await import('./tidy.ts');
      await removePartials(await connection.acquire(), folders, AbortSignal.any([signal, connection.signal]));
    },
    async *probe(signal) {
      const { probeDestination } = await import('./probe.ts');
      yield* probeDestination(() => connection.acquire(), AbortSignal.any([signal, connection.signal]));
    },
    [Symbol.asyncDispose]: async () => {
      const stopped = connection.stop();
      queue.rejectWaiting();
      await stopped;
      await queue.idle();
      await connection[Symbol.asyncDispose]();
    },
  };
};

/** `rsync://user@host:port/path`; "" is the root, and a relative path has a slash in front. */
const labelOf = (options: RsyncOptions): string => {
  const path = options.path.startsWith('/') ? options.path : `/${options.path}`;
  return `rsync://${showLogin(options)}${path}`;
};
