import type { Socket } from 'node:net';
import type { Client, ClientCallback, ClientChannel } from 'ssh2';
import { openSftpClient, type SftpClient } from '../sftp/client.ts';
import { INITIAL_WINDOW_BYTES } from '../sftp/receive-window.ts';
import { SessionRefusedError, type SshConnection } from './connection.ts';
import { withSmallWindow } from './internals/channel-window.ts';

/** A connection by ssh2. It is created before the login and may be used after it. */
export class Ssh2Connection implements SshConnection {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #where: string;
  readonly #closeListeners: ((reason: Error) => void)[] = [];
  #lastInboundMs = performance.now();
  #isClosed = false;
  #handshakeMs: number | undefined;

  /** @param where user@host:port, for messages */
  constructor(client: Client, socket: Socket, where: string) {
    this.#client = client;
    this.#socket = socket;
    this.#where = where;
    socket.on('data', () => {
      this.#lastInboundMs = performance.now();
    });
    const startedMs = this.#lastInboundMs;
    client.once('handshake', () => {
      this.#handshakeMs = performance.now() - startedMs;
    });
    client.once('close', () => {
      this.#isClosed = true;
      for (const listener of this.#closeListeners.splice(0)) listener(this.#lost());
    });
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  get handshakeMs(): number | undefined {
    return this.#handshakeMs;
  }

  async openSftp(): Promise<SftpClient> {
    const request = (done: ClientCallback): unknown => this.#client.subsys('sftp', done);
    let windowOf: ReturnType<typeof withSmallWindow>;
    const channel = await this.#openChannel((done) => {
      windowOf = withSmallWindow(this.#client, INITIAL_WINDOW_BYTES, () => request(done));
    });
    if (windowOf === undefined) return openSftpClient(channel);
    const window = windowOf(channel);
    if (window !== undefined) return openSftpClient(channel, window);
    // This channel has a small window that cannot grow: the server would wait for ever.
    channel.destroy();
    return openSftpClient(await this.#openChannel(request));
  }

  readonly openExec = (command: string): Promise<ClientChannel> =>
    this.#openChannel((done) => this.#client.exec(command, done));

  silentMs(): number {
    return performance.now() - this.#lastInboundMs;
  }

  onClose(listener: (reason: Error) => void): void {
    this.#closeListeners.push(listener);
  }

  close(): Promise<void> {
    this.#client.end();
    this.#client.destroy();
    this.#socket.destroy();
    return Promise.resolve();
  }

  /** ssh2 never calls back for a channel that was requested on a connection that closes: its close is awaited as well. */
  async #openChannel(request: (done: ClientCallback) => unknown): Promise<ClientChannel> {
    if (this.#isClosed) throw new Error('the connection is closed');
    const { promise, resolve, reject } = Promise.withResolvers<ClientChannel>();
    const onClose = (): void => reject(this.#lost());
    this.#client.once('close', onClose);
    try {
      request((error, channel) => (error ? reject(refusal(error)) : resolve(channel)));
      const channel = await promise;
      channel.stderr.resume();
      return channel;
    } finally {
      this.#client.off('close', onClose);
    }
  }

  #lost(): Error {
    return new Error(`the connection to ${this.#where} was lost`);
  }
}

/** Where a channel is not opened, ssh2 adds the server's reason code (RFC 4254 §5.1). */
const refusal = (error: Error): Error =>
  'reason' in error && typeof error.reason === 'number' ? new SessionRefusedError(error.message) : error;
