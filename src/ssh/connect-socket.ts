import { createConnection, type Socket } from 'node:net';
import { TransportError } from '../errors.ts';
import { describeNetwork } from './network-hints.ts';

const CONNECT_TIMEOUT_MS = 15_000;

/** @throws TransportError `network` if the host is unknown, refuses, or does not answer in time */
export const connectSocket = (host: string, port: number, signal: AbortSignal): Promise<Socket> =>
  new Promise((resolve, reject) => {
    // Node connects all the same, and the socket keeps the process.
    if (signal.aborted) {
      reject(new TransportError('network', `Did not connect to ${host}:${port}: it was stopped`));
      return;
    }
    // Without noDelay consecutive small writes reach 1 MB/s only (Nagle's algorithm against delayed acknowledgements).
    const socket = createConnection({ host, port, noDelay: true, signal, timeout: CONNECT_TIMEOUT_MS });
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)));
    socket.once('error', (error) => {
      const { state, hint } = describeNetwork(error);
      reject(new TransportError('network', `Cannot connect to ${host}:${port}: ${state}`, { hint, cause: error }));
    });
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
