import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createAppendOnlyRules } from './append-only.ts';
import { unrestricted } from './change-rules.ts';
import { openConfinedFolder } from './confined-folder.ts';
import { fingerprintOf, parseAuthorizedKeys } from './authorized-keys.ts';
import { ReceiverConnection } from './connection.ts';
import { parseHostKey } from './host-key.ts';

/** Connections that have not logged in yet: bounds what clients without a key can cost. */
const MAX_UNAUTHENTICATED = 32;
const MAX_CONNECTIONS = 256;

export interface ReceiverOptions {
  /** The folder to serve. */
  readonly root: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The text of an `authorized_keys` file. */
  readonly authorizedKeys: string;
  /** A private key in OpenSSH's format. */
  readonly hostKey: string | Buffer;
  /** Clients can add files, and cannot change complete ones. Default: false. */
  readonly appendOnly?: boolean;
  readonly log: (level: 'info' | 'warning', message: string) => void;
}

/** Disposing ends every connection and resolves when all are closed. Requests in progress are finished first. */
export interface Receiver extends AsyncDisposable {
  readonly host: string;
  /** The actual port, where 0 was asked for. */
  readonly port: number;
  /** Of the host key, in the format of `ssh-keygen -l`. */
  readonly fingerprint: string;
}

/**
 * Starts an SSH server that gives the holders of the authorized keys SFTP in one folder, and nothing else.
 * @throws the system's error where it cannot open the root (ENOENT, ENOTDIR, EACCES) or listen on the address
 *   (EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND); an Error for an invalid host key
 */
export const startReceiver = async (options: ReceiverOptions): Promise<Receiver> => {
  const { root, log } = options;
  openConfinedFolder(root)[Symbol.dispose]();
  const hostKey = parseHostKey(options.hostKey);
  const keys = parseAuthorizedKeys(options.authorizedKeys);
  for (const warning of keys.warnings) log('warning', warning);

  const rules = options.appendOnly === true ? createAppendOnlyRules() : unrestricted;
  const connections = new Set<ReceiverConnection>();
  let unauthenticated = 0;

  const onSocket = (socket: Socket): void => {
    if (unauthenticated >= MAX_UNAUTHENTICATED || connections.size >= MAX_CONNECTIONS) {
      log('warning', `refused a connection from ${socket.remoteAddress ?? '?'}: too many are open`);
      socket.destroy();
      return;
    }
    unauthenticated += 1;
    let counted = true;
    const uncount = (): void => {
      if (counted) unauthenticated -= 1;
      counted = false;
    };
    socket.once('close', uncount);
    // Each session reopens the root, so that it uses a disk that was mounted there since the start.
    const openFolder = () => openConfinedFolder(root);
    const connection = new ReceiverConnection(socket, { hostKey, keys, openFolder, rules, log, onLogin: uncount });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  };

  const server = createServer(onSocket);
  server.listen({ host: options.host, port: options.port });
  await once(server, 'listening');
  // A failed accept (no descriptor left) must not end the receiver.
  server.on('error', (error) => log('warning', `cannot accept a connection: ${error.message}`));
  const address = server.address();

  return {
    host: options.host,
    port: typeof address === 'object' && address ? address.port : options.port,
    fingerprint: fingerprintOf(hostKey.getPublicSSH()),
    [Symbol.asyncDispose]: async () => {
      const serverClosed = server.listening ? once(server, 'close') : Promise.resolve();
      server.close();
      for (const connection of connections) connection.end();
      await Promise.all([serverClosed, ...[...connections].map((connection) => connection.closed)]);
    },
  };
};
