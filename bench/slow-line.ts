import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface LineOptions {
  readonly roundTripMs: number;
  readonly bytesPerSecond: number;
}

/** What a router holds before it lets its sender wait. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/** A line of some length and width to a server on this host, by its port. */
export const startLine = async (
  to: number,
  options: LineOptions,
): Promise<AsyncDisposable & { readonly port: number }> => {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = createConnection(to, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    void carry(near, far, options);
    void carry(far, near, options);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

const carry = async (from: Socket, to: Socket, { roundTripMs, bytesPerSecond }: LineOptions): Promise<void> => {
  let [freeMs, queued] = [0, 0];
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      queued += chunk.length;
      freeMs = Math.max(freeMs, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
      const waitMs = Math.max(0, freeMs - performance.now());
      setTimeout(() => (queued -= chunk.length), waitMs);
      setTimeout(() => to.write(chunk), waitMs + roundTripMs / 2);
      while (queued > BUFFER_BYTES) await delay(5);
    }
  } catch {
    // Either end was destroyed.
  } finally {
    to.destroy();
  }
};
