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
  // Timers of different lengths that are due at once may come in any order.
  const onTheWay: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
  let [freeMs, queued] = [0, 0];
  const deliver = (): void => {
    while (onTheWay[0] !== undefined && onTheWay[0].dueMs <= performance.now()) {
      const { chunk } = onTheWay.shift() ?? { chunk: Buffer.alloc(0) };
      queued -= chunk.length;
      to.write(chunk);
    }
  };
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      freeMs = Math.max(freeMs, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
      const dueMs = freeMs + roundTripMs / 2;
      onTheWay.push({ chunk, dueMs });
      queued += chunk.length;
      setTimeout(deliver, Math.ceil(dueMs - performance.now()) + 1);
      while (queued > BUFFER_BYTES) await delay(5);
    }
  } catch {
    // Either end was destroyed.
  } finally {
    to.destroy();
  }
};
