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

export const startProxy = async (targetPort: number): Promise<Proxy> => {
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
