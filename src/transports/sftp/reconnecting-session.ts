import { TransportError, type TransportContext } from '../../transport.ts';
import type { SftpOptions } from './options.ts';
import { toTransportError } from './server-errors.ts';
import { createSession, SENDS_PER_CHANNEL, type Session } from './session.ts';

/** The session of a transport: opened on first use, and again after its connection was lost. */
export class ReconnectingSession {
  readonly #options: SftpOptions;
  readonly #context: TransportContext;
  readonly #label: string;
  readonly #disposed = new AbortController();
  #session: Session | undefined;
  #connecting: Promise<Session> | undefined;

  constructor(options: SftpOptions, context: TransportContext, label: string) {
    this.#options = options;
    this.#context = context;
    this.#label = label;
  }

  get sendsAtOnce(): number {
    return this.#session?.sendsAtOnce ?? SENDS_PER_CHANNEL;
  }

  /**
   * Runs `use` on a live session.
   * @param action for the message of an error: `send "DC1/a.dat"`
   * @throws TransportError for any failure; the signal's reason once it is aborted
   */
  async run<T>(action: () => string, signal: AbortSignal, use: (session: Session) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const current = this.#current();
    // Hot path: an open session is not awaited.
    const session = current instanceof Promise ? await current : current;
    try {
      return await use(session);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const failed = { action: action(), destination: this.#label, folder: this.#options.path };
      throw await toTransportError(error, session.channels.leastBusy(), failed, session.isFull);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    await this.#session?.channels.close();
    await this.#connecting?.catch(() => undefined);
    await this.#session?.channels.close();
  }

  #current(): Session | Promise<Session> {
    if (this.#disposed.signal.aborted) throw new TransportError('network', `Cannot use ${this.#label}: it was closed`);
    if (this.#session !== undefined && !this.#session.channels.closed) return this.#session;
    return (this.#connecting ??= this.#connect());
  }

  async #connect(): Promise<Session> {
    const { signal } = this.#disposed;
    try {
      // Loaded on demand: ssh2 is slow to load, and a run without unsent files does not need it.
      const { openChannels } = await import('./channels.ts');
      const channels = await openChannels(this.#options, this.#context, signal);
      this.#session = createSession(channels, this.#options, this.#context, this.#label);
      signal.throwIfAborted();
      return this.#session;
    } finally {
      this.#connecting = undefined;
    }
  }
}
