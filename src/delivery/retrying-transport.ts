import { lacksRoom, TransportError } from '../errors.ts';
import type { Name } from '../name.ts';
import type { Discrepancy, ExpectedFile, ListedFile, OutgoingFile, ProbeResult, Transport } from '../transport.ts';
import type { ConnectionHealth } from './connection-health.ts';

export interface RetryingOptions {
  readonly health: ConnectionHealth;
  /** Wait while the connection is down; otherwise a request fails at once with the reason. */
  readonly waits: boolean;
}

/**
 * A transport whose requests are repeated while it is the connection that fails, and not the file. It rejects with a failure of the
 * connection only when nothing more is tried.
 */
export class RetryingTransport implements Transport {
  readonly #inner: Transport;
  readonly #options: RetryingOptions;
  readonly list?: NonNullable<Transport['list']>;
  readonly underWay?: NonNullable<Transport['underWay']>;
  readonly isLost?: NonNullable<Transport['isLost']>;

  constructor(inner: Transport, options: RetryingOptions) {
    this.#inner = inner;
    this.#options = options;
    const { list, underWay, isLost } = inner;
    if (underWay !== undefined) this.underWay = underWay;
    if (isLost !== undefined) this.isLost = isLost;
    if (list !== undefined) {
      this.list = (folder: Name, visit: (file: ListedFile) => void, signal: AbortSignal) =>
        this.#retry(() => list.call(inner, folder, visit, signal), signal);
    }
  }

  get label(): string {
    return this.#inner.label;
  }

  get inFlight(): number {
    return this.#inner.inFlight;
  }

  get health(): ConnectionHealth {
    return this.#options.health;
  }

  send(file: OutgoingFile, signal: AbortSignal): Promise<void> {
    return this.#retry(() => this.#inner.send(file, signal), signal);
  }

  verify(
    files: readonly ExpectedFile[],
    how: { readonly checksum: boolean },
    signal: AbortSignal,
  ): Promise<Discrepancy[]> {
    return this.#retry(() => this.#inner.verify(files, how, signal), signal);
  }

  tidy(folders: readonly Name[], signal: AbortSignal): Promise<void> {
    return this.#retry(() => this.#inner.tidy(folders, signal), signal);
  }

  probe(signal: AbortSignal): AsyncIterable<ProbeResult> {
    return this.#inner.probe(signal);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#inner[Symbol.asyncDispose]();
  }

  async #retry<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { health, waits } = this.#options;
    for (;;) {
      const wait = health.ready();
      if (wait !== undefined) {
        if (!waits && health.failure !== undefined) throw health.failure;
        await wait;
      }
      signal.throwIfAborted();
      if (health.fatal !== undefined) throw health.fatal;
      try {
        const result = await request();
        health.succeeded();
        return result;
      } catch (error) {
        if (signal.aborted || !(error instanceof TransportError)) throw error;
        if (lacksRoom(error)) health.answered();
        if (error.class === 'file' || error.class === 'source-changed') throw error;
        health.failed(error, signal);
      }
    }
  }
}
