import type { Socket } from 'node:net';
import ssh2, { type ConnectConfig } from 'ssh2';
import { TransportError } from '../errors.ts';
import type { BuiltInLogin, SshConnection } from './connection.ts';
import { handshakeError } from './handshake-error.ts';
import { hostKeyError, readAllKnownHosts } from './host-key.ts';
import { batchWrites } from './internals/batch-writes.ts';
import { prepareCiphers } from './internals/ciphers.ts';
import { knownKeyTypes } from './known-hosts.ts';
import { readLogin } from './login.ts';
import { describeNetwork, NetworkHint } from './network-hints.ts';
import { refusedLogin } from './refused-login.ts';
import { Ssh2Connection } from './ssh2-connection.ts';
import { ownUserName } from '../host/home.ts';

const HANDSHAKE_TIMEOUT_MS = 20_000;

/**
 * Checks the host's key against `known_hosts` and logs in, over a socket that may still be connecting. If it fails, the caller destroys
 * the socket.
 * @throws TransportError `network`, or `auth` where a person must act
 */
export const connectSsh2 = async (
  options: BuiltInLogin,
  connecting: Promise<Socket>,
  signal: AbortSignal,
): Promise<SshConnection> => {
  const { host, port, user: username = ownUserName() } = options;
  if (username === undefined) {
    throw new TransportError('auth', `Cannot log in at ${host}:${port}: user ${process.geteuid?.()} has no name`, {
      hint: 'name the user there with destination.user',
    });
  }
  const where = `${username}@${host}:${port}`;
  const knownHosts = await readAllKnownHosts(options.knownHosts);
  const login = await readLogin(options);
  const socket = await connecting;
  // A server may hang up while the key is read: ssh2 would wait for its handshake timeout on a socket that is closed already.
  if (socket.destroyed) throw closedByServer(where);
  batchWrites(socket);
  const client = new ssh2.Client();
  prepareCiphers(client);
  const connection = new Ssh2Connection(client, socket, where);
  const keyTypes = knownKeyTypes(knownHosts, { host, port });
  const config: ConnectConfig = {
    sock: socket,
    username,
    readyTimeout: HANDSHAKE_TIMEOUT_MS,
    keepaliveInterval: 0, // It kills a healthy connection that is busy sending; the transport checks for inbound bytes instead.
    ...login.config,
    // Only the key types that known_hosts has: a key of another type would seem to be a changed key.
    ...(keyTypes.length > 0 ? { algorithms: { serverHostKey: keyTypes } } : {}),
  };
  const verify = (key: Buffer): TransportError | undefined => hostKeyError(knownHosts, key, options, where);
  try {
    const method = options.agent ? 'agent' : 'publickey';
    await logIn(client, config, { where, verify, keyTypes, ownKeyType: login.keyType, method }, signal);
  } catch (error) {
    client.destroy();
    throw error;
  }
  return connection;
};

interface Host {
  /** user@host:port, for messages. */
  readonly where: string;
  /** The reason not to trust this host key, if there is one. */
  readonly verify: (key: Buffer) => TransportError | undefined;
  /** The types of host key that known_hosts has. */
  readonly keyTypes: readonly string[];
  /** Of the key that logs in; undefined: the agent has it. */
  readonly ownKeyType: string | undefined;
  readonly method: 'agent' | 'publickey';
}

/** Resolves when the client is logged in. If it fails, the caller destroys the client. */
const logIn = async (client: ssh2.Client, config: ConnectConfig, host: Host, signal: AbortSignal): Promise<void> => {
  const { where, verify, method } = host;
  const done = new AbortController();
  let hostKeyProblem: TransportError | undefined;
  const hostVerifier = (key: Buffer): boolean => {
    hostKeyProblem = verify(key);
    return hostKeyProblem === undefined;
  };
  const attempt = oneAttempt(method);
  try {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(new TransportError('network', `Stopped connecting to ${where}`));
      signal.addEventListener('abort', abort, { signal: done.signal });
      client.once('ready', resolve);
      // ssh2 emits several errors for one failure, some after its close: the first one counts, and each needs a listener.
      client.on('error', (error: Error & { level?: string }) =>
        reject(hostKeyProblem ?? connectError(error, host, attempt.methods())),
      );
      client.once('close', () => {
        const closed = closedByServer(where);
        reject(hostKeyProblem ?? closed);
      });
      client.connect({ ...config, hostVerifier, authHandler: attempt.authHandler });
    });
  } finally {
    done.abort();
  }
};

/** Without "none" first, which the server refuses after a delay. `methods`: those with which the server would let the login go on. */
const oneAttempt = (method: 'agent' | 'publickey') => {
  let left: readonly string[] | null = null;
  let isTried = false;
  const authHandler = (methods: readonly string[] | null): typeof method | false => {
    left = methods;
    if (isTried) return false;
    isTried = true;
    return method;
  };
  return { authHandler, methods: () => left ?? [] };
};

export const connectError = (
  error: Error & { level?: string },
  { where, keyTypes, ownKeyType, method }: Omit<Host, 'verify'>,
  methods: readonly string[] = [],
): TransportError => {
  if (error.level === 'client-authentication') {
    const { state, hint } = refusedLogin(methods, {
      keyType: ownKeyType,
      isByProgram: false,
      isByAgent: method === 'agent',
    });
    return new TransportError('auth', `Cannot log in to ${where}: ${state}`, { hint, cause: error });
  }
  if (error.level === 'agent') {
    return new TransportError('auth', `Cannot log in to ${where}: the ssh agent does not sign (${error.message})`, {
      hint: 'see whether the agent is locked or asks before it uses a key (ssh-add -c), or name a key with destination.identityFile',
      cause: error,
    });
  }
  if (/too many authentication failures/i.test(error.message)) {
    return new TransportError(
      'auth',
      `Cannot log in to ${where}: the agent has more keys than the server lets it try`,
      {
        hint: 'set destination.agent: false and destination.identityFile: only that key is offered; or take keys from the agent: ssh-add -d',
        cause: error,
      },
    );
  }
  const action = `Cannot connect to ${where}`;
  return (
    handshakeError(error, action, keyTypes) ??
    new TransportError('network', `${action}: ${describeNetwork(error).state}`, { ...hintFor(error), cause: error })
  );
};

const hintFor = ({ message }: Error): { readonly hint?: string } => {
  if (/timed out/i.test(message)) return { hint: NetworkHint.SILENT };
  return /before handshake|identification|ECONNRESET|EPIPE/i.test(message) ? { hint: NetworkHint.NOT_SSH } : {};
};

const closedByServer = (where: string): TransportError =>
  new TransportError('network', `Cannot connect to ${where}: the server closed the connection`, {
    hint: NetworkHint.NOT_SSH,
  });
