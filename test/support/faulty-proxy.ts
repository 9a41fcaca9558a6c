import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './ports.ts';
import type { Random } from './producers.ts';

/** A TCP proxy that injects the faults of a bad connection. */
export interface FaultyProxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts every connection now. */
  cut(): void;
  /** Cuts one connection in mid-transfer, after so many more bytes from the clients. */
  cutAfter(bytes: number): void;
  /** Keeps all connections open but forwards nothing, until the promise resolves. */
  stall(ms: number): Promise<void>;
  /** Cuts every connection and refuses new ones, until the promise resolves. */
  refuse(ms: number): Promise<void>;
}

export const startFaultyProxy = async (targetPort: number): Promise<FaultyProxy> => {
  const sockets = new Set<Socket>();
  let isStalled = false;
  let bytesLeft = Infinity;

  const passOn = (from: Socket, to: Socket, isClient: boolean): void => {
    sockets.add(from);
    from.setNoDelay(true);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on('data', (chunk) => {
      if (isClient && (bytesLeft -= chunk.length) < 0) {
        bytesLeft = Infinity;
        from.destroy();
      } else if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => isStalled || from.resume());
      }
    });
    if (isStalled) from.pause();
  };
  const server = createServer((client) => {
    const upstream = createConnection(targetPort, '127.0.0.1');
    passOn(client, upstream, true);
    passOn(upstream, client, false);
  });
  const port = await freePort();
  const listen = async (): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };

  return {
    port,
    cut,
    cutAfter: (bytes) => {
      bytesLeft = bytes;
    },
    stall: async (ms) => {
      isStalled = true;
      for (const socket of sockets) socket.pause();
      await delay(ms);
      isStalled = false;
      for (const socket of sockets) socket.resume();
    },
    refuse: async (ms) => {
      server.close();
      cut();
      await once(server, 'close');
      await delay(ms);
      await listen();
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
};

/** Injects random faults, with random pauses between, until the signal. Returns the count of each fault. */
export const misbehave = async (
  proxy: FaultyProxy,
  random: Random,
  { longStalls, signal }: { readonly longStalls: boolean; readonly signal: AbortSignal },
): Promise<Readonly<Record<string, number>>> => {
  const faults = {
    cut: () => proxy.cut(),
    'cut midway': () => proxy.cutAfter(random.below(200_000)),
    stall: () => proxy.stall(longStalls && random.below(8) === 0 ? 40_000 : random.below(2000)),
    refuse: () => proxy.refuse(random.below(1500)),
  };
  const counts: Record<string, number> = {};
  while (!signal.aborted) {
    await delay(random.below(2500), undefined, { signal }).catch(() => undefined);
    const [name, fail] = Object.entries(faults)[random.below(4)] ?? ['cut', faults.cut];
    counts[name] = (counts[name] ?? 0) + 1;
    await fail();
  }
  proxy.cutAfter(Infinity);
  return counts;
};
