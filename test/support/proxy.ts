import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './ports.ts';

/** A TCP proxy in front of a server, to fail connections on purpose. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Number of connections accepted so far. */
  readonly connections: number;
  /** Cuts every connection now. */
  cut(): void;
  /** Cuts a connection after so many bytes from the client, once the server has read them; Infinity: never. */
  cutAfter(bytes: number): void;
  /** Resets every connection now (RST). */
  reset(): void;
  /** A black hole: nothing passes in either direction, on old and new connections, and neither end is notified. */
  stall(): void;
  /** A permanent black hole for the connections that are open now; new ones pass. */
  swallow(): void;
  /** Passes so many bytes a second from the client. */
  trickle(bytesPerSecond: number): void;
  /** Everything passes again. */
  resume(): void;
  /** Stops listening and cuts every connection. */
  refuse(): Promise<void>;
  /** Listens again, on the same port. */
  accept(): Promise<void>;
  /** Bytes received from clients so far. */
  readonly total: number;
  /** Resolves when so many more bytes have come from clients. */
  passed(bytes: number): Promise<void>;
}

export interface ProxyOptions {
  /** Delay in each direction: half of the round-trip time. */
  readonly delayMs?: number;
}

export const startProxy = async (targetPort: number, { delayMs = 0 }: ProxyOptions = {}): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  let limit = Infinity;
  let isStalled = false;
  const swallowed = new WeakSet<Socket>();
  /** Clients of which a part of a chunk waits: what they send next must not overtake it. */
  const trickling = new WeakSet<Socket>();
  const resume = (socket: Socket): void => {
    if (!isStalled && !swallowed.has(socket) && !trickling.has(socket)) socket.resume();
  };
  let bytesPerSecond = Infinity;
  let total = 0;
  const waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];
  const count = (bytes: number): void => {
    total += bytes;
    for (const [index, one] of [...waiting.entries()].toReversed()) {
      if (total < one.bytes) continue;
      waiting.splice(index, 1);
      one.resolve();
    }
  };
  let connections = 0;
  const server = createServer((client) => {
    connections += 1;
    const upstream = createConnection(targetPort, '127.0.0.1');
    let passed = 0;
    /** Sends a tenth of a second's share at a time, and the rest at once after `resume`. */
    const passSlowly = (chunk: Buffer): void => {
      const length = Math.min(chunk.length, Math.ceil(bytesPerSecond / 10));
      upstream.write(chunk.subarray(0, length));
      if (length === chunk.length) {
        trickling.delete(client);
        resume(client);
      } else setTimeout(() => passSlowly(chunk.subarray(length)), 100).unref();
    };
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    if (delayMs > 0) {
      passLater(client, upstream, delayMs);
      passLater(upstream, client, delayMs);
      return;
    }
    if (isStalled) {
      client.pause();
      upstream.pause();
    }
    client.on('data', (chunk) => {
      passed += chunk.length;
      count(chunk.length);
      if (passed > limit) {
        limit = Infinity;
        client.pause();
        void untilRead(upstream).then(() => client.destroy());
      } else if (bytesPerSecond < Infinity) {
        client.pause();
        trickling.add(client);
        passSlowly(chunk);
      } else if (!upstream.write(chunk)) {
        client.pause();
        upstream.once('drain', () => resume(client));
      }
    });
    upstream.on('data', (chunk) => {
      if (client.write(chunk)) return;
      upstream.pause();
      client.once('drain', () => resume(upstream));
    });
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
    get connections() {
      return connections;
    },
    cut,
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    stall: () => {
      isStalled = true;
      for (const socket of sockets) socket.pause();
    },
    swallow: () => {
      for (const socket of sockets) {
        swallowed.add(socket);
        socket.pause();
      }
    },
    trickle: (rate) => {
      bytesPerSecond = rate;
    },
    resume: () => {
      isStalled = false;
      bytesPerSecond = Infinity;
      for (const socket of sockets) resume(socket);
    },
    refuse: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
    accept: listen,
    get total() {
      return total;
    },
    passed: (bytes) =>
      new Promise((resolve) => {
        waiting.push({ bytes: total + bytes, resolve });
      }),
    cutAfter: (bytes) => {
      limit = bytes;
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
};

/** Delays without limiting throughput, as high latency does: any number of bytes may be in flight. */
const passLater = (from: Socket, to: Socket, delayMs: number): void => {
  from.on('data', (chunk) => setTimeout(() => to.write(chunk), delayMs));
  from.on('end', () => setTimeout(() => to.end(), delayMs));
};

const QUEUES = /^ *\d+: [0-9A-F]+:(?<local>[0-9A-F]{4}) [0-9A-F]+:(?<remote>[0-9A-F]{4}) [0-9A-F]{2} (?<queues>\S+)/;

/** Resolves when neither end of the connection holds bytes that its program has not read (proc_net_tcp), or after 5 s. */
const untilRead = async ({ localPort, remotePort }: Socket): Promise<void> => {
  const isOfIt = (port: string | undefined): boolean => {
    const number = Number.parseInt(port ?? '', 16);
    return number === localPort || number === remotePort;
  };
  const isRead = (line: string): boolean => {
    const { local, remote, queues } = QUEUES.exec(line)?.groups ?? {};
    return !isOfIt(local) || !isOfIt(remote) || queues === '00000000:00000000';
  };
  const end = Date.now() + 5000;
  while (Date.now() < end && !readFileSync('/proc/net/tcp', 'utf8').split('\n').every(isRead)) await sleep(10);
};
