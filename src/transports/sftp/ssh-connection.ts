import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { homedir, userInfo } from 'node:os';
import type { Duplex } from 'node:stream';
import ssh2, { type ConnectConfig } from 'ssh2';
import { prepareCipherKeys } from '../../cipher-keys.ts';
import { errorMessage, systemErrorCode, TransportError } from '../../errors.ts';
import { gatherWrites } from '../../gather-writes.ts';
import { openSftpClient, type SftpClient } from '../../sftp/client.ts';
import { SHORT_REPLIES_BYTES } from '../../sftp/reply-room.ts';
import { hostKeyFingerprint, judgeHostKey, knownHostsLine, knownKeyTypes, parseKnownHosts } from './known-hosts.ts';
import type { SftpOptions } from './options.ts';
import { withSmallWindow } from './receive-window.ts';

/** One authenticated SSH connection. */
export interface SshConnection {
  readonly closed: boolean;
  /** A channel to the `sftp` subsystem. Rejects when the server allows no more of them. */
  openSftp(): Promise<SftpClient>;
  /** Runs a command of ours in the account's shell; rejects where it has none. */
  readonly openExec: (command: string) => Promise<Duplex>;
  /** Time in milliseconds since the last byte came in. */
  silentMs(): number;
  /** Called once when the connection is gone, with the reason. */
  onClose(listener: (reason: Error) => void): void;
  /** Resolves when nothing of it is left. Harmless when repeated. */
  close(): Promise<void>;
}

const HANDSHAKE_TIMEOUT_MS = 20_000;

/**
 * Holds the host's key against `known_hosts` and logs in, over a socket that may still be connecting; where it fails the socket is
 * the caller's to destroy.
 * @throws TransportError `network`, or `auth` where a person must act
 */
export const connectSsh = async (
  options: SftpOptions,
  connecting: Promise<Socket>,
  signal: AbortSignal,
): Promise<SshConnection> => {
  const { host, port } = options;
  const where = `${options.user ?? userInfo().username}@${host}:${port}`;
  const knownHosts = parseKnownHosts(await readKnownHosts(options.knownHosts));
  const login = await readLogin(options);
  const socket = await connecting;
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
        reject(
          hostKeyProblem ??
            new TransportError('network', `Cannot connect to ${where}: the server closed the connection`),
        );
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

const connectError = (error: Error & { level?: string }, where: string): TransportError => {
  if (error.level === 'client-authentication') {
    return new TransportError('auth', `Cannot log in to ${where}: the server refused the key`, {
      hint: 'put the public key into the account’s authorized_keys, or correct destination.user or destination.identityFile',
      cause: error,
    });
  }
  return new TransportError('network', `Cannot connect to ${where}: ${error.message}`, { cause: error });
};

/** What to say of a host key, and what to do about it; undefined for a known one. */
export const hostKeyError = (
  verdict: ReturnType<typeof judgeHostKey>,
  key: Buffer,
  options: SftpOptions,
  where: string,
): TransportError | undefined => {
  if (verdict === 'known') return undefined;
  const fingerprint = hostKeyFingerprint(key);
  const { host, port, knownHosts } = options;
  const messages = {
    unknown: [
      `the host key ${fingerprint} is unknown`,
      `compare the fingerprint with the server’s, then: echo '${knownHostsLine({ host, port }, key)}' >> ${knownHosts}`,
    ],
    changed: [
      `the host key CHANGED; it is now ${fingerprint}`,
      `somebody may be in the middle; if the server was set up anew: ssh-keygen -f ${knownHosts} -R "[${host}]:${port}"`,
    ],
    revoked: [`the host key ${fingerprint} is revoked`, `do not connect; ask who revoked it in ${knownHosts}`],
  } as const;
  const [state, hint] = messages[verdict];
  return new TransportError('auth', `Cannot trust ${where}: ${state}`, { hint });
};

export const expandHome = (path: string): string => (path.startsWith('~/') ? homedir() + path.slice(1) : path);

/** @throws TransportError where it cannot be read; a file that is not there knows nobody */
export const readKnownHosts = async (path: string): Promise<string> => {
  try {
    return await readFile(expandHome(path), 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw new TransportError('auth', `Cannot read destination.knownHosts "${path}": ${errorMessage(error)}`, {
      hint: 'let the user that runs isocket read it',
      cause: error,
    });
  }
};

/** @throws TransportError where the key or the agent cannot be used */
export const readLogin = async (
  options: SftpOptions,
): Promise<Pick<ConnectConfig, 'agent' | 'privateKey' | 'passphrase'>> => {
  if (options.agent) {
    const agent = process.env.SSH_AUTH_SOCK;
    if (agent !== undefined) return { agent };
    throw new TransportError('auth', 'Cannot use the ssh agent: SSH_AUTH_SOCK is not set', {
      hint: 'start an agent, or name a key with destination.identityFile',
    });
  }
  const path = expandHome(options.identityFile);
  const read = async (file: string, key: string): Promise<string> => {
    try {
      return await readFile(expandHome(file), 'utf8');
    } catch (error) {
      throw new TransportError('auth', `Cannot read destination.${key} "${file}": ${errorMessage(error)}`, {
        hint: `correct destination.${key}, or make a key: ssh-keygen -t ed25519 -N '' -f ${path}`,
        cause: error,
      });
    }
  };
  const privateKey = await read(options.identityFile, 'identityFile');
  const passphrase =
    options.passphraseFile === undefined
      ? process.env.ISOCKET_PASSPHRASE
      : (await read(options.passphraseFile, 'passphraseFile')).replace(/\r?\n$/, '');
  const parsed = ssh2.utils.parseKey(privateKey, passphrase);
  if (parsed instanceof Error) {
    throw new TransportError(
      'auth',
      `Cannot use destination.identityFile "${options.identityFile}": ${parsed.message}`,
      {
        hint: 'an encrypted key needs destination.passphraseFile or ISOCKET_PASSPHRASE in the environment',
        cause: parsed,
      },
    );
  }
  return { privateKey, ...(passphrase === undefined ? {} : { passphrase }) };
};
