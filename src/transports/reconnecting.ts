import { TransportError } from '../transport.ts';

/** What a transport keeps open between sends. */
export interface Closable {
  /** True once it was lost or closed. */
  readonly closed: boolean;
  /** Releases all that it holds; safe to call again, and after the connection was lost. */
  close(): Promise<void>;
}

/** Opens a session when it is first needed, and another one after it was lost. */
export class Reconnecting<S extends Closable> implements AsyncDisposable {
  readonly #label: string;
  readonly #open: (signal: AbortSignal) => Promise<S>;
  readonly #stopped = new AbortController();
  #session: S | undefined;
  #opening: Promise<S> | undefined;

  /** @param label the destination, for messages */
  constructor(label: string, open: (signal: AbortSignal) => Promise<S>) {
    this.#label = label;
    this.#open = open;
  }

  /** Aborted by `stop`. */
  get signal(): AbortSignal {
    return this.#stopped.signal;
  }

  /** The session, while it is usable. */
  get live(): S | undefined {
    return this.#session?.closed === false ? this.#session : undefined;
  }

  /** It was lost, and was not needed since. */
  get isLost(): boolean {
    return this.#session?.closed === true && this.#opening === undefined;
  }

  /**
   * The live session, without a promise where there is one: this is a hot path. Callers that come while one is opened share it.
   * @throws TransportError `network` after `stop`; it rejects with what `open` rejected with
   */
  acquire(): S | Promise<S> {
    this.throwIfStopped();
    return this.live ?? (this.#opening ??= this.#reopen());
  }

  /** @throws TransportError `network` after `stop` */
  throwIfStopped(): void {
    if (this.#stopped.signal.aborted) throw this.stoppedError();
  }

  stoppedError(): TransportError {
    return new TransportError('network', `Cannot use ${this.#label}: it was closed`);
  }

  /** Ends an attempt to connect. A live session stays open, for its users to end their work, until disposal. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#opening?.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#session?.close();
  }

  async #reopen(): Promise<S> {
    try {
      await this.#session?.close();
      this.#session = await this.#open(this.#stopped.signal);
      this.throwIfStopped(); // Disposal closes it.
      return this.#session;
    } finally {
      this.#opening = undefined;
    }
  }
}
