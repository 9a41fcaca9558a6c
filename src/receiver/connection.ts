import type { Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerChannel, type Session } from 'ssh2';
import { errorMessage } from '../errors.ts';
import { showName } from '../name.ts';
import { fingerprintOf, type AuthorizedKeys } from './authorized-keys.ts';
import type { ChangeRules } from './change-rules.ts';
import type { ConfinedFolder } from './confined-folder.ts';
import { SftpSession } from './sftp-session.ts';

const LOGIN_SECONDS = 20;
/** Idle time before the first TCP keepalive probe. */
const KEEPALIVE_SECONDS = 60;
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

const takesSftpOnly = (accept: () => ServerChannel | undefined): void => {
  const channel = accept();
  channel?.resume();
  channel?.stderr.write('isocket receive takes SFTP only\r\n');
  channel?.exit(1);
  channel?.end();
};

/** Serves SSH on a socket: authorized keys can log in, and get SFTP and nothing else. */
export class ReceiverConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #peer: string;
  readonly #sessions = new Map<SftpSession, { readonly readableLength: number }>();
  readonly #closed = Promise.withResolvers<undefined>();
  readonly #loginTimer: NodeJS.Timeout;
  #client: Connection | undefined;
  #loginAttempts = 0;
  #openSessions = 0;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#peer = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    // Otherwise each small reply may wait 40 ms for the acknowledgement of the one before (Nagle, delayed ACK).
    socket.setNoDelay(true);
    // Otherwise connections whose client is gone without a word stay open until no new one is accepted (MAX_CONNECTIONS).
    socket.setKeepAlive(true, KEEPALIVE_SECONDS * 1000);
    // Each session may wait for the socket's drain: more of them than Node's limit of 10 is no leak.
    socket.setMaxListeners(0);
    this.#loginTimer = setTimeout(() => socket.destroy(), LOGIN_SECONDS * 1000);
    const server = new ssh2.Server(
      { hostKeys: [{ key: options.hostKey }], algorithms: ALGORITHMS, ident: 'isocket' },
      (client) => this.#onClient(client),
    );
    // One ssh2 server per socket: it does not say which socket a client belongs to.
    server.injectSocket(socket);
    socket.on('data', () => this.#limitUnreadBytes());
    socket.once('close', () => this.#onSocketClose());
  }

  /** Resolves when the connection is closed and every session has closed its files. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Sends a disconnect message and closes the connection. */
  end(): void {
    const socket = this.#socket;
    if (!this.#client) {
      socket.destroy();
      return;
    }
    this.#client.end();
    const timer = setTimeout(() => socket.destroy(), DISCONNECT_SECONDS * 1000);
    socket.once('close', () => clearTimeout(timer));
    socket.destroySoon();
  }

  #onClient(client: Connection): void {
    this.#client = client;
    // ssh2 emits several errors for one failure; without a listener each would end the process.
    client.on('error', (error) => this.#options.log('info', `${this.#peer}: ${error.message}`));
    client.on('authentication', (attempt) => this.#onLoginAttempt(client, attempt));
    client.on('ready', () => {
      clearTimeout(this.#loginTimer);
      this.#options.onLogin();
    });
    client.on('session', (accept, reject) => {
      if (this.#openSessions >= MAX_SESSIONS) reject();
      else this.#serveSession(accept());
    });
  }

  #onLoginAttempt(client: Connection, attempt: AuthContext): void {
    this.#loginAttempts += 1;
    if (this.#loginAttempts > MAX_LOGIN_ATTEMPTS) {
      this.#warn('disconnected: too many login attempts');
      client.end();
    } else if (attempt.method !== 'publickey') {
      attempt.reject(['publickey']);
    } else if (this.#options.keys.allows(attempt)) {
      attempt.accept();
    } else {
      this.#warn(`refused "${showName(attempt.username)}" with the key ${fingerprintOf(attempt.key.data)}`);
      attempt.reject(['publickey']);
    }
  }

  #serveSession(session: Session): void {
    this.#openSessions += 1;
    session.on('close', () => (this.#openSessions -= 1));
    let isServed = false;
    // A refusal alone leaves the channel open, and the ssh program waiting.
    session.on('exec', takesSftpOnly);
    session.on('shell', takesSftpOnly);
    // Not the event 'sftp': it starts the SFTP class of ssh2, which cannot advertise extensions.
    // ssh2 gives no `reject` where the client wants no reply, and no channel for a second subsystem of a session.
    session.on('subsystem', (accept, reject: (() => void) | undefined, { name }) => {
      const folder = name === 'sftp' && !isServed ? this.#openFolder() : undefined;
      if (!folder) {
        reject?.();
        return;
      }
      isServed = true;
      this.#serveSftp(session, accept(), folder);
    });
  }

  #serveSftp(session: Session, channel: ServerChannel, folder: ConfinedFolder): void {
    const warn = (message: string): void => this.#warn(message);
    const sftp = new SftpSession({ channel, socket: this.#socket, folder, rules: this.#options.rules, warn });
    this.#sessions.set(sftp, channel);
    void sftp.closed.then(() => this.#sessions.delete(sftp));
    // The session emits 'close' at once, the channel only after all of its input was read.
    session.on('close', () => sftp.end());
  }

  #openFolder(): ConfinedFolder | undefined {
    try {
      return this.#options.openFolder();
    } catch (error) {
      this.#warn(`refused a session: the root cannot be opened: ${errorMessage(error)}`);
      return undefined;
    }
  }

  #limitUnreadBytes(): void {
    for (const channel of this.#sessions.values()) {
      if (channel.readableLength <= MAX_UNREAD_BYTES) continue;
      this.#warn('disconnected: the client sent more than its window allows');
      this.#socket.destroy();
    }
  }

  #onSocketClose(): void {
    clearTimeout(this.#loginTimer);
    const ending = [...this.#sessions.keys()];
    for (const session of ending) session.end();
    void Promise.all(ending.map((session) => session.closed)).then(() => this.#closed.resolve(undefined));
  }

  #warn(message: string): void {
    this.#options.log('warning', `${this.#peer}: ${message}`);
  }
}
