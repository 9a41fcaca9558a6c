import type { Socket } from 'node:net';
import type { AuthContext, Connection, ServerChannel, Session } from 'ssh2';
import { plainMessage, systemErrorCode } from '../errors.ts';
import { RECEIVER_SAYS } from '../sftp/receiver-words.ts';
import { DisconnectReason, tellDisconnect } from '../ssh/internals/disconnect.ts';
import { chooseKey, fingerprintOf, type AuthorizedKey } from './authorized-keys.ts';
import type { Login, Refusal } from './client-log.ts';
import type { ConfinedFolder } from './confined-folder.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { plainAddress } from './from-patterns.ts';
import { RefusedError } from './refused-error.ts';
import { endSaying, takesSftpOnly } from './sftp-only.ts';
import { SftpSession } from './sftp-session.ts';
import { serveSsh } from './ssh-server.ts';

/** Idle time before the first TCP keepalive probe. */
const KEEPALIVE_SECONDS = 60;
const MAX_LOGIN_ATTEMPTS = 20;
/** isocket uses up to 8; OpenSSH allows 10. */
const MAX_SESSIONS = 16;
/** Twice the window that ssh2 grants: it buffers whatever a client sends beyond it (mscdex/ssh2#1505). */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;
/** Of a text that a client chooses, in the log. */
const MOST_SHOWN = 200;
/** How long a client may take to read the disconnect message and what was sent before it. */
const DISCONNECT_SECONDS = 2;

/** A stranger chooses it, up to a whole packet of it. */
const briefly = (text: string): string => (text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}…`);

/** Serves SSH on a socket: authorized keys can log in, and get SFTP and nothing else. */
export class ReceiverConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly peer: string;
  readonly #sessions = new Map<SftpSession, { readonly readableLength: number }>();
  readonly #closed = Promise.withResolvers<undefined>();
  /** Until the login it limits that; then it ends a connection that asks for nothing. */
  #timer: NodeJS.Timeout;
  #key: AuthorizedKey | undefined;
  #client: Connection | undefined;
  #loginAttempts = 0;
  #openSessions = 0;
  /** Whose signature was right. */
  #proved: { readonly key: AuthorizedKey; readonly login: Login } | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.peer = options.peer;
    // Otherwise each small reply may wait 40 ms for the acknowledgement of the one before (Nagle, delayed ACK).
    socket.setNoDelay(true);
    // Otherwise connections whose client is gone without a word stay open until no new one is accepted (limits.connections).
    socket.setKeepAlive(true, KEEPALIVE_SECONDS * 1000);
    // Each session may wait for the socket's drain: more of them than Node's limit of 10 is no leak.
    socket.setMaxListeners(0);
    const slow: Refusal = { kind: 'slow', reason: 'it did not log in in time' };
    this.#timer = setTimeout(() => this.drop(slow), options.limits.loginMs);
    serveSsh(socket, options.hostKeys, options.limits.keepAliveMs, (client) => this.#onClient(client));
    socket.on('data', () => this.#limitUnreadBytes());
    socket.once('close', () => this.#onSocketClose());
  }

  /** Resolves when the connection is closed and every session has closed its files. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** With which it logged in; undefined: it did not, or is to go. */
  get key(): AuthorizedKey | undefined {
    return this.#key;
  }

  get address(): string {
    return plainAddress(this.#socket.remoteAddress ?? '?');
  }

  /** Open SFTP sessions. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Whether a file is open for writing, or something is asked. */
  get isBusy(): boolean {
    return [...this.#sessions.keys()].some((session) => session.isBusy);
  }

  /** Ends, and tells why; the client hears it, and the cure if there is one. Nothing more is served, whatever it has sent already. */
  drop(refusal: Refusal, cure?: string): void {
    this.#options.clientLog.refused(refusal);
    if (this.#key === undefined) {
      this.#socket.destroy();
      return;
    }
    this.#key = undefined;
    for (const session of this.#sessions.keys()) session.end();
    this.#endSaying(refusal, cure);
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

  #endSaying({ kind, reason }: Refusal, cure?: string): void {
    const code = kind === 'limit' ? DisconnectReason.TOO_MANY_CONNECTIONS : DisconnectReason.SERVICE_NOT_AVAILABLE;
    const text = `${RECEIVER_SAYS}${reason}${cure === undefined ? '' : `; ${cure}`}`;
    if (this.#client !== undefined) tellDisconnect(this.#client, code, text);
    this.end();
  }

  #onClient(client: Connection): void {
    this.#client = client;
    // ssh2 emits several errors for one failure; without a listener each would end the process.
    client.on('error', (error: Error & { readonly level?: string }) => {
      this.#options.log('info', `${this.peer}: ${briefly(error.message)}`);
      // ssh2 waits for the client to close, too: one that is stopped never does.
      if (error.level === 'client-timeout') this.end();
    });
    client.on('authentication', (attempt) => this.#onLoginAttempt(client, attempt));
    client.on('ready', () => this.#onReady());
    client.on('session', (accept, reject) => {
      // A client that was refused may have sent more before it could know.
      if (this.#key === undefined || this.#openSessions >= MAX_SESSIONS) reject();
      else this.#serveSession(accept());
    });
  }

  #onLoginAttempt(client: Connection, attempt: AuthContext): void {
    this.#loginAttempts += 1;
    if (this.#loginAttempts > MAX_LOGIN_ATTEMPTS) {
      this.#options.clientLog.refused({ kind: 'attempts', reason: 'too many login attempts' });
      client.end();
    } else if (attempt.method !== 'publickey') {
      attempt.reject(['publickey']);
    } else {
      const chosen = chooseKey(this.#options.keys(), attempt, this.address);
      const login = { user: briefly(attempt.username), key: fingerprintOf(attempt.key.data) };
      if ('fingerprint' in chosen) {
        if (attempt.signature !== undefined) this.#proved = { key: chosen, login };
        attempt.accept();
        return;
      }
      this.#options.clientLog.refused({ ...chosen, login });
      attempt.reject(['publickey']);
    }
  }

  #onReady(): void {
    clearTimeout(this.#timer);
    if (this.#proved === undefined) {
      this.end();
      return;
    }
    const { key, login } = this.#proved;
    const reason = this.#options.onLogin(key);
    if (reason !== undefined) {
      const refusal: Refusal = { kind: 'limit', reason, login };
      this.#options.clientLog.refused(refusal);
      this.#endSaying(refusal, 'raise that limit there, or let fewer clients connect at once');
      return;
    }
    this.#key = key;
    this.#options.clientLog.loggedIn(key.fingerprint, key.folder.join('/'));
    const idle: Refusal = { kind: 'idle', reason: 'it asked for nothing for long (limits.idle)' };
    this.#timer = setTimeout(() => this.drop(idle), this.#options.limits.idleMs);
  }

  #serveSession(session: Session): void {
    this.#openSessions += 1;
    session.on('close', () => (this.#openSessions -= 1));
    let isServed = false;
    session.on('exec', takesSftpOnly);
    session.on('shell', takesSftpOnly);
    // Not the event 'sftp': it starts the SFTP class of ssh2, which cannot advertise extensions.
    // ssh2 gives no `reject` where the client wants no reply, and no channel for a second subsystem of a session.
    session.on('subsystem', (accept, reject: (() => void) | undefined, { name }) => {
      const key = this.#key;
      if (name !== 'sftp' || isServed || key === undefined) {
        reject?.();
        return;
      }
      isServed = true;
      const folder = this.#openFolder(key);
      if (typeof folder === 'string') endSaying(accept(), `${RECEIVER_SAYS}${folder}`);
      else this.#serveSftp(session, accept(), folder);
    });
  }

  #serveSftp(session: Session, channel: ServerChannel, folder: ConfinedFolder): void {
    const warn = (message: string): void => this.#warn(message);
    const { clientLog: log } = this.#options;
    const onActivity = (): void => void this.#timer.refresh();
    const rules = this.#options.rules(folder);
    const sftp = new SftpSession({ channel, socket: this.#socket, folder, rules, log, onActivity, warn });
    this.#sessions.set(sftp, channel);
    log.opened();
    void sftp.closed.then(() => this.#sessions.delete(sftp));
    // The session emits 'close' at once, the channel only after all of its input was read.
    session.on('close', () => sftp.end());
  }

  /** @returns why not, for the client: no path of this host but its own folder's */
  #openFolder({ folder }: AuthorizedKey): ConfinedFolder | string {
    try {
      return this.#options.openFolder(folder);
    } catch (error) {
      const what = folder.length === 0 ? 'the root' : `its folder "${folder.join('/')}" below the root`;
      this.#warn(`refused a session: ${what} cannot be opened: ${plainMessage(error)}`);
      const isOfFolder = systemErrorCode(error) !== undefined || error instanceof RefusedError;
      if (folder.length === 0 || !isOfFolder)
        return 'its root cannot be opened; see its log: a disk may have to be mounted';
      return `the folder "${folder.join('/')}" of this key (path=) cannot be opened: ${plainMessage(error)}; make it there, below the root`;
    }
  }

  #limitUnreadBytes(): void {
    for (const channel of this.#sessions.values()) {
      if (channel.readableLength <= MAX_UNREAD_BYTES) continue;
      this.#options.clientLog.refused({ kind: 'overflow', reason: 'it sent more than its window allows' });
      this.#socket.destroy();
    }
  }

  #onSocketClose(): void {
    clearTimeout(this.#timer);
    const ending = [...this.#sessions.keys()];
    for (const session of ending) session.end();
    void Promise.all(ending.map((session) => session.closed)).then(() => {
      this.#options.clientLog.gone();
      this.#closed.resolve(undefined);
    });
  }

  #warn(message: string): void {
    this.#options.log('warning', `${this.peer}: ${message}`);
  }
}
