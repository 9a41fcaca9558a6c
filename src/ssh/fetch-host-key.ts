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
  // It may have been closed before anybody listened: ssh2 would not say so.
  if (socket.destroyed) throw noHostKey(socket, 'the server closed the connection');
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
  throw handshakeError(reason, cannotRead(socket), keyTypes) ?? noHostKey(socket, reason.message);
};

const cannotRead = ({ remoteAddress = 'the server' }: Socket): string => `Cannot read the host key of ${remoteAddress}`;

const noHostKey = (socket: Socket, reason: string): TransportError =>
  new TransportError('network', `${cannotRead(socket)}: ${reason}`, {
    hint: 'check that an SSH server listens there: the host or the port may be wrong',
  });
