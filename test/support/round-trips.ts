import { createConnection, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { freePort } from './ports.ts';

export interface RoundTripCounter extends AsyncDisposable {
  readonly port: number;
  /** Round trips that the longest-lived chain of cause and effect took on any connection, with the one of TCP's own handshake. */
  readonly roundTrips: number;
  /** Forgets what was counted, and delays by so much in each direction from now on. */
  restart(delayMs: number): void;
}

/**
 * A TCP proxy that delays and counts round trips by cause and effect, not by time: what the client sends may depend on all that it
 * received before, and what the server answers on all that reached it. With a delay that is longer than either end takes to answer,
 * the count does not depend on the machine. It begins without a delay.
 */
export const startRoundTripCounter = async (targetPort: number): Promise<RoundTripCounter> => {
  const sockets = new Set<Socket>();
  let most = 0;
  let delayMs = 0;
  const server = createServer((client) => {
    const upstream = createConnection(targetPort, '127.0.0.1');
    // TCP's own handshake is over when the client is accepted.
    let atClient = 1;
    let atServer = 0;
    most = Math.max(most, atClient);
    client.on('data', (chunk) => {
      const depth = atClient;
      setTimeout(() => {
        atServer = Math.max(atServer, depth);
        upstream.write(chunk);
      }, delayMs);
    });
    upstream.on('data', (chunk) => {
      // The server speaks first: its greeting needs no question.
      const depth = atServer + 1;
      setTimeout(() => {
        atClient = Math.max(atClient, depth);
        most = Math.max(most, atClient);
        client.write(chunk);
      }, delayMs);
    });
    client.on('end', () => setTimeout(() => upstream.end(), delayMs));
    upstream.on('end', () => setTimeout(() => client.end(), delayMs));
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
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port,
    get roundTrips() {
      return most;
    },
    restart: (newDelayMs) => {
      most = 0;
      delayMs = newDelayMs;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
