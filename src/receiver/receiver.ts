import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { appendOnly } from './append-only.ts';
import { changeAnything } from './change-rules.ts';
import { openConfinedFolder } from './confined-folder.ts';
import { fingerprintOf, parseAuthorizedKeys } from './authorized-keys.ts';
import { serveConnection, type ReceiverConnection } from './connection.ts';
import { parseHostKey } from './host-key.ts';

/** Connections that have not logged in yet: what a stranger may cost us at most. */
const MAX_STRANGERS = 32;
const MAX_CONNECTIONS = 256;

export interface ReceiverOptions {
  /** The folder that is served. */
  readonly root: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** The text of an `authorized_keys` file. */
  readonly authorizedKeys: string;
  /** A private key in OpenSSH's format. */
  readonly hostKey: string | Buffer;
  /** Clients add files, and change none that is complete. Default: false. */
  readonly appendOnly?: boolean;
  readonly log: (level: 'info' | 'warning', message: string) => void;
}

/** Disposing ends every connection and resolves when all are closed. Requests under way are finished first. */
export interface Receiver extends AsyncDisposable {
  readonly host: string;
  /** The real one. */
  readonly port: number;
  /** Of the host key, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
}

/**
 * An SSH server that gives the holders of the authorized keys SFTP in one folder, and nothing else.
 * @throws the system's error where the root cannot be opened (ENOENT, ENOTDIR, EACCES) or the address not be listened on
 *   (EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND); an Error where the host key is none
 */
export const startReceiver = async (options: ReceiverOptions): Promise<Receiver> => {
  const { root, log } = options;
  openConfinedFolder(root)[Symbol.dispose]();
  const hostKey = parseHostKey(options.hostKey);
  const keys = parseAuthorizedKeys(options.authorizedKeys);
  for (const warning of keys.warnings) log('warning', warning);

  const rules = options.appendOnly === true ? appendOnly : changeAnything;
  const connections = new Set<ReceiverConnection>();
  let strangers = 0;

  const onSocket = (socket: Socket): void => {
    if (strangers >= MAX_STRANGERS || connections.size >= MAX_CONNECTIONS) {
      log('warning', `refused a connection from ${socket.remoteAddress ?? '?'}: too many are open`);
      socket.destroy();
      return;
    }
    strangers += 1;
    let stranger = true;
    const known = (): void => {
      if (stranger) strangers -= 1;
      stranger = false;
    };
    socket.once('close', known);
    // Each session opens the root anew: a disk that was mounted there since is then the one that is written to.
    const openFolder = () => openConfinedFolder(root);
    const connection = serveConnection(socket, { hostKey, keys, openFolder, rules, log, onLogin: known });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  };

  const server = createServer(onSocket);
  server.listen({ host: options.host, port: options.port });
  await once(server, 'listening');
  // Trouble with one accept (no descriptor left) is not the end of the receiver.
  server.on('error', (error) => log('warning', `cannot take a connection: ${error.message}`));
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
