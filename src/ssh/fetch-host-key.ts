import type { Socket } from 'node:net';
import ssh2, { type ServerHostKeyAlgorithm } from 'ssh2';
import { TransportError } from '../errors.ts';
import { handshakeError } from './handshake-error.ts';

const HANDSHAKE_TIMEOUT_MS = 20_000;

/**
 * Performs the SSH handshake up to the host key and disconnects without a login. Takes over `socket` and destroys it.
 * @param keyTypes the key types to request; empty: the server's preference
 * @throws TransportError `network` if there is no SSH server, `auth` if it has no key of these types
 */
export const fetchHostKey = async (
  socket: Socket,
  keyTypes: readonly ServerHostKeyAlgorithm[],
  signal: AbortSignal,
): Promise<Buffer> => {
  // A closed socket has forgotten it.
  const action = cannotRead(socket);
  // It may have been closed before anybody listened: ssh2 would not say so.
  if (socket.destroyed) throw noHostKey(action, 'the server closed the connection');
  const client = new ssh2.Client();
  const stop = (): void => void client.destroy();
  signal.addEventListener('abort', stop, { once: true });
  let seen: Buffer | undefined;
  let reason = new Error('the server closed the connection');
  try {
    await new Promise<void>((resolve) => {
      client.once('close', () => resolve());
      // A handshake that takes too long is an error, and no close: there may be nothing left to close.
      client.on('error', (error) => {
        reason = error;
        resolve();
      });
      client.connect({
        sock: socket,
        username: 'isocket',
        readyTimeout: HANDSHAKE_TIMEOUT_MS,
        ...(keyTypes.length > 0 ? { algorithms: { serverHostKey: [...keyTypes] } } : {}),
        hostVerifier: (key: Buffer) => {
          seen = Buffer.from(key);
          return false;
        },
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    client.destroy();
    socket.destroy();
  }
  signal.throwIfAborted();
  if (seen !== undefined) return seen;
  throw handshakeError(reason, action, keyTypes) ?? noHostKey(action, reason.message);
};

const cannotRead = ({ remoteAddress, remotePort }: Socket): string => {
  if (remoteAddress === undefined) return 'Cannot read the host key of the server';
  const host = remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress;
  return `Cannot read the host key of ${host}:${remotePort}`;
};

const noHostKey = (action: string, reason: string): TransportError =>
  new TransportError('network', `${action}: ${reason}`, {
    hint: 'check that an SSH server listens there: the host or the port may be wrong',
  });
