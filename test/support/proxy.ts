import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy in front of a server, to fail the line on purpose. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts every connection now. */
  cut(): void;
  /** Cuts a connection after so many bytes from the client; Infinity: never. */
  cutAfter(bytes: number): void;
  /** From now on new connections are cut at once, or no longer. */
  refuse(isRefusing: boolean): void;
}

export interface ProxyOptions {
  /** Every byte comes so much later, in each direction: half of a long line's round trip. */
  readonly delayMs?: number;
}

export const startProxy = async (targetPort: number, { delayMs = 0 }: ProxyOptions = {}): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  let limit = Infinity;
  let isRefusing = false;
  const server = createServer((client) => {
    if (isRefusing) {
      client.destroy();
      return;
    }
    const upstream = createConnection(targetPort, '127.0.0.1');
    let passed = 0;
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
    client.on('data', (chunk) => {
      passed += chunk.length;
      if (passed > limit) {
        limit = Infinity;
        client.destroy();
      } else if (!upstream.write(chunk)) {
        client.pause();
        upstream.once('drain', () => client.resume());
      }
    });
    upstream.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    cutAfter: (bytes) => {
      limit = bytes;
    },
    refuse: (now) => {
      isRefusing = now;
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
};

/** As a long line does: all bytes are on their way at once, as many as there are. */
const passLater = (from: Socket, to: Socket, delayMs: number): void => {
  from.on('data', (chunk) => setTimeout(() => to.write(chunk), delayMs));
  from.on('end', () => setTimeout(() => to.end(), delayMs));
};
