import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import ssh2 from 'ssh2';
import { prepareCipherKeys } from './internals/cipher-keys.ts';
import { TransportError } from '../errors.ts';
import { gatherWrites } from './internals/gather-writes.ts';
import { openSftpClient } from '../sftp/client.ts';
import { SHORT_REPLIES_BYTES } from '../sftp/receive-window.ts';
import { judgeHostKey, knownKeyTypes, parseKnownHosts } from './known-hosts.ts';
import type { BuiltInLogin, SshConnection } from './connection.ts';
import { hostKeyError, readKnownHosts } from './host-key.ts';
import { readLogin } from './login.ts';
import { withSmallWindow } from './internals/channel-window.ts';

const HANDSHAKE_TIMEOUT_MS = 20_000;

/**
 * Holds the host's key against `known_hosts` and logs in, over a socket that may still be connecting; where it fails the socket is
 * the caller's to destroy.
 * @throws TransportError `network`, or `auth` where a person must act
 */
export const connectSsh = async (
  options: BuiltInLogin,
  connecting: Promise<Socket>,
  signal: AbortSignal,
): Promise<SshConnection> => {
  const { host, port } = options;
  const where = `${options.user ?? userInfo().username}@${host}:${port}`;
  const knownHosts = parseKnownHosts(await readKnownHosts(options.knownHosts));
  const login = await readLogin(options);
  const socket = await connecting;
  // A server may hang up while the key is read; ssh2 would wait for its handshake timeout on a socket that is closed already.
  if (socket.destroyed) throw closedByServer(where);
  gatherWrites(socket);
  const client = new ssh2.Client();
  prepareCipherKeys(client);
  let lastInbound = performance.now();
  let closed = false;
  let hostKeyProblem: TransportError | undefined;
  const listeners: ((reason: Error) => void)[] = [];

  socket.on('data', () => {
    lastInbound = performance.now();
  });

  try {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(new TransportError('network', `Stopped connecting to ${where}`));
      signal.addEventListener('abort', abort, { once: true });
      client.once('ready', () => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
      // ssh2 tells of one failure in several errors, and emits some after it closed: the first one counts, all are listened to.
      client.on('error', (error: Error & { level?: string }) => {
        reject(hostKeyProblem ?? connectError(error, where));
      });
      client.once('close', () => {
        signal.removeEventListener('abort', abort);
        closed = true;
        reject(hostKeyProblem ?? closedByServer(where));
        for (const listener of listeners.splice(0)) listener(new Error(`the connection to ${where} was lost`));
      });
      const keyTypes = knownKeyTypes(knownHosts, { host, port });
      client.connect({
        sock: socket,
        username: options.user ?? userInfo().username,
        readyTimeout: HANDSHAKE_TIMEOUT_MS,
        keepaliveInterval: 0, // It kills a healthy connection that is busy sending; our own watch looks at inbound bytes.
        ...login,
        // Not "none" first, which the server refuses after a pause.
        authHandler: [login.agent === undefined ? 'publickey' : 'agent'],
        // Ask for the kinds of key that known_hosts has: another kind would look like a changed key.
        ...(keyTypes.length > 0 ? { algorithms: { serverHostKey: keyTypes } } : {}),
        hostVerifier: (key: Buffer) => {
          hostKeyProblem = hostKeyError(judgeHostKey(knownHosts, { host, port }, key), key, options, where);
          return hostKeyProblem === undefined;
        },
      });
    });
  } catch (error) {
    client.destroy();
    throw error;
  }
  const openChannel = (ask: (done: ssh2.ClientCallback) => void): Promise<ssh2.ClientChannel> =>
    new Promise((resolve, reject) => {
      if (closed) {
        reject(new Error('the connection is closed'));
        return;
      }
      const onClose = (): void => reject(new Error(`the connection to ${where} was lost`));
      client.once('close', onClose);
      ask((error, channel) => {
        client.off('close', onClose);
        if (error) {
          reject(error);
          return;
        }
        channel.stderr.resume();
        resolve(channel);
      });
    });
  return {
    get closed() {
      return closed;
    },
    openSftp: async () => {
      let windowOf: ReturnType<typeof withSmallWindow>;
      const channel = await openChannel((done) => {
        windowOf = withSmallWindow(client, SHORT_REPLIES_BYTES, () => client.subsys('sftp', done));
      });
      return openSftpClient(channel, windowOf?.(channel));
    },
    openExec: (command) => openChannel((done) => client.exec(command, done)),
    silentMs: () => performance.now() - lastInbound,
    onClose: (listener) => {
      listeners.push(listener);
    },
    close: () => {
      client.end();
      client.destroy();
      socket.destroy();
      return Promise.resolve();
    },
  };
};

const closedByServer = (where: string): TransportError =>
  new TransportError('network', `Cannot connect to ${where}: the server closed the connection`);

const connectError = (error: Error & { level?: string }, where: string): TransportError => {
  if (error.level === 'client-authentication') {
    return new TransportError('auth', `Cannot log in to ${where}: the server refused the key`, {
      hint: 'put the public key into the account’s authorized_keys, or correct destination.user or destination.identityFile',
      cause: error,
    });
  }
  return new TransportError('network', `Cannot connect to ${where}: ${error.message}`, { cause: error });
};
