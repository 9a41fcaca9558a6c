import type { Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type Session } from 'ssh2';
import { errorMessage } from '../errors.ts';
import { showName } from '../name.ts';
import { fingerprintOf, type AuthorizedKeys } from './authorized-keys.ts';
import type { ChangeRules } from './change-rules.ts';
import type { ConfinedFolder } from './confined-folder.ts';
import { serveSftp, type SftpSession } from './sftp-session.ts';

const LOGIN_SECONDS = 20;
const MAX_LOGIN_ATTEMPTS = 20;
/** isocket uses up to 8; OpenSSH allows 10. */
const MAX_SESSIONS = 16;
/** Twice the window that ssh2 grants: it buffers whatever a client sends beyond it (mscdex/ssh2#1505). */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;
/** How long a client may take to read the disconnect message and what was sent before it. */
const DISCONNECT_SECONDS = 2;

/**
 * AES only, which Node's OpenSSL does in hardware; ssh2 has ChaCha20 in WebAssembly, and OpenSSH before 10 would choose it.
 * No compression: the client would decide how much memory it takes.
 */
const ALGORITHMS = {
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} satisfies ssh2.Algorithms;

export interface ConnectionOptions {
  readonly hostKey: ParsedKey;
  readonly keys: AuthorizedKeys;
  /** Called once for each session, which disposes of the folder. */
  readonly openFolder: () => ConfinedFolder;
  readonly rules: ChangeRules;
  readonly log: (level: 'info' | 'warning', message: string) => void;
  readonly onLogin: () => void;
}

export interface ReceiverConnection {
  /** Sends a disconnect message and closes the connection. */
  readonly end: () => void;
  /** Resolves when the connection is closed and every session has closed its files. */
  readonly closed: Promise<void>;
}

/** Serves SSH on a socket: authorized keys can log in, and get SFTP and nothing else. */
export const serveConnection = (socket: Socket, options: ConnectionOptions): ReceiverConnection => {
  const sessions = new Map<SftpSession, { readonly readableLength: number }>();
  const peer = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
  const warn = (message: string): void => options.log('warning', `${peer}: ${message}`);
  let client: Connection | undefined;

  // Otherwise each small reply may wait 40 ms for the acknowledgement of the one before (Nagle, delayed ACK).
  socket.setNoDelay(true);
  const loginTimer = setTimeout(() => socket.destroy(), LOGIN_SECONDS * 1000);

  const onClient = (connection: Connection): void => {
    client = connection;
    // ssh2 emits several errors for one failure; without a listener each would end the process.
    connection.on('error', (error) => options.log('info', `${peer}: ${error.message}`));
    let attempts = 0;
    connection.on('authentication', (attempt) => {
      attempts += 1;
      if (attempts > MAX_LOGIN_ATTEMPTS) {
        warn('disconnected: too many login attempts');
        connection.end();
      } else decide(attempt, options.keys, warn);
    });
    connection.on('ready', () => {
      clearTimeout(loginTimer);
      options.onLogin();
    });
    let open = 0;
    connection.on('session', (accept, reject) => {
      if (open >= MAX_SESSIONS) {
        reject();
        return;
      }
      open += 1;
      const session = accept();
      session.on('close', () => (open -= 1));
      serveSubsystem(session);
    });
  };

  const serveSubsystem = (session: Session): void => {
    // Not the event 'sftp': it starts the SFTP class of ssh2, which cannot advertise extensions.
    session.on('subsystem', (accept, reject, { name }) => {
      const folder = name === 'sftp' ? openFolder() : undefined;
      if (!folder) {
        reject();
        return;
      }
      const channel = accept();
      const sftp = serveSftp(channel, socket, folder, options.rules, warn);
      sessions.set(sftp, channel);
      void sftp.closed.then(() => sessions.delete(sftp));
      // The session emits 'close' at once, the channel only after all of its input was read.
      session.on('close', sftp.end);
    });
  };

  const openFolder = (): ConfinedFolder | undefined => {
    try {
      return options.openFolder();
    } catch (error) {
      warn(`refused a session: the root cannot be opened: ${errorMessage(error)}`);
      return undefined;
    }
  };

  const server = new ssh2.Server(
    { hostKeys: [{ key: options.hostKey }], algorithms: ALGORITHMS, ident: 'isocket' },
    onClient,
  );
  // One ssh2 server per socket: it does not say which socket a client belongs to.
  server.injectSocket(socket);
  socket.on('data', () => {
    for (const channel of sessions.values()) {
      if (channel.readableLength <= MAX_UNREAD_BYTES) continue;
      warn('disconnected: the client sent more than its window allows');
      socket.destroy();
    }
  });

  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  socket.once('close', () => {
    clearTimeout(loginTimer);
    const ending = [...sessions.keys()];
    for (const session of ending) session.end();
    void Promise.all(ending.map((session) => session.closed)).then(() => resolve(undefined));
  });

  const end = (): void => {
    if (!client) {
      socket.destroy();
      return;
    }
    client.end();
    const timer = setTimeout(() => socket.destroy(), DISCONNECT_SECONDS * 1000);
    socket.once('close', () => clearTimeout(timer));
    socket.destroySoon();
  };

  return { end, closed };
};

const decide = (attempt: AuthContext, keys: AuthorizedKeys, warn: (message: string) => void): void => {
  if (attempt.method === 'publickey') {
    if (keys.allows(attempt)) {
      attempt.accept();
      return;
    }
    warn(`refused "${showName(attempt.username)}" with the key ${fingerprintOf(attempt.key.data)}`);
  }
  attempt.reject(['publickey']);
};
