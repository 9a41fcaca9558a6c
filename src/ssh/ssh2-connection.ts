import type { Socket } from 'node:net';
import type { Client, ClientCallback, ClientChannel } from 'ssh2';
import { plainMessage } from '../errors.ts';
import { openSftpClient, type SftpClient } from '../sftp/client.ts';
import { withRefusal } from '../sftp/receiver-words.ts';
import { INITIAL_WINDOW_BYTES, type ChannelWindow } from '../sftp/receive-window.ts';
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
  /** How it ended; the first that is known counts. */
  #end: string | undefined;
  #handshakeMs: number | undefined;

  /** @param where user@host:port, for messages */
  constructor(client: Client, socket: Socket, where: string) {
    this.#client = client;
    this.#socket = socket;
    this.#where = where;
    client.setMaxListeners(0); // Each channel that is being opened waits for its end, too.
    socket.on('data', () => {
      this.#lastInboundMs = performance.now();
    });
    socket.once('end', () => (this.#end ??= `the server closed the connection to ${where}`));
    // A reason that the server sends (RFC 4253 §11.1) comes as an error without a level.
    client.on('error', (error: Error & { level?: string }) => {
      this.#end ??=
        error.level === undefined
          ? `the server closed the connection to ${where}: ${error.message}`
          : `the connection to ${where} broke: ${plainMessage(error)}`;
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
    if (windowOf === undefined) return openClient(channel);
    const window = windowOf(channel);
    if (window !== undefined) return openClient(channel, window);
    // This channel has a small window that cannot grow: the server would wait for ever.
    channel.destroy();
    return openClient(await this.#openChannel(request));
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
    this.#end ??= `isocket closed the connection to ${this.#where}`;
    this.#client.end();
    this.#client.destroy();
    this.#socket.destroy();
    return Promise.resolve();
  }

  /** ssh2 never calls back for a channel that was requested on a connection that closes: its close is awaited as well. */
  async #openChannel(request: (done: ClientCallback) => unknown): Promise<ClientChannel> {
    if (this.#isClosed) throw this.#lost();
    const { promise, resolve, reject } = Promise.withResolvers<ClientChannel>();
    const onClose = (): void => reject(this.#lost());
    this.#client.once('close', onClose);
    try {
      request((error, channel) => (error ? reject(refusal(error)) : resolve(channel)));
      const channel = await promise;
      channel.stderr.resume();
      return channel;
    } catch (error) {
      // ssh2 says "Not connected" while the socket of a connection that has ended closes.
      throw this.#end === undefined ? error : this.#lost();
    } finally {
      this.#client.off('close', onClose);
    }
  }

  #lost(): Error {
    return new Error(this.#end ?? `the connection to ${this.#where} was lost`);
  }
}

const MOST_SAID_CHARS = 4096;

/** A receiver of ours that accepts the session and ends it says why on stderr. */
const openClient = async (channel: ClientChannel, window?: ChannelWindow): Promise<SftpClient> => {
  let said = '';
  channel.stderr.on('data', (chunk: Buffer) => {
    if (said.length < MOST_SAID_CHARS) said += chunk.toString();
  });
  try {
    return await openSftpClient(channel, window);
  } catch (error) {
    throw withRefusal(error, said);
  }
};

/** Where a channel is not opened, ssh2 adds the server's reason code (RFC 4254 §5.1). */
const refusal = (error: Error): Error =>
  'reason' in error && typeof error.reason === 'number' ? new SessionRefusedError(error.message) : error;
