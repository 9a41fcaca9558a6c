import { errorMessage } from '../../errors.ts';
import type { Rate } from '../../core/bandwidth.ts';
import { TransportError, type OutgoingFile } from '../../transport.ts';
import type { Reconnecting } from '../reconnecting.ts';
import { AbortListeners } from './aborts.ts';
import { Batcher } from './batcher.ts';
import { PendingSend } from './pending-send.ts';
import { maxRuns, type RunPolicy } from './run-policy.ts';
import { RunStop } from './run-stop.ts';
import { weightOf } from './run-size.ts';
import type { Session } from './session.ts';

export interface SendQueueOptions {
  readonly connection: Reconnecting<Session>;
  readonly policy: RunPolicy;
  /** Now. */
  readonly bandwidth: () => Rate;
  /** The destination, for messages. */
  readonly label: string;
}

/** Collects sends into runs of rsync, and sends again in a later run what one left untried. */
export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #unsettled = new Set<PendingSend>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #aborts = new AbortListeners<PendingSend>((sends) => this.#abort(sends));
  readonly #batcher: Batcher<PendingSend>;
  #isConnecting = false;

  constructor(options: SendQueueOptions) {
    this.#options = options;
    this.#batcher = new Batcher<PendingSend>({
      maxItems: options.policy.maxFiles,
      weigh,
      maxWeight: () => options.policy.maxWeight,
      slots: () => this.#slots(),
      run: (batch) => this.#track(this.#run(batch)),
    });
  }

  /** Whether any send is not settled yet. */
  get isBusy(): boolean {
    return this.#unsettled.size > 0;
  }

  /** Resolves when the file is confirmed. @throws TransportError, or the signal's reason after an abort */
  async send(file: OutgoingFile, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#options.connection.throwIfStopped();
    const send = new PendingSend(file, signal, this.#forget);
    this.#unsettled.add(send);
    this.#aborts.watch(signal, send);
    this.#batcher.add(send);
    if (this.#options.connection.live === undefined) void this.#connect();
    await send.outcome;
  }

  /** Rejects what waits, for a connection that is stopped. */
  rejectWaiting(): void {
    for (const send of this.#batcher.clear()) send.reject(this.#options.connection.stoppedError());
  }

  /** Resolves when the runs that are under way have ended. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#running]);
  }

  readonly #forget = (send: PendingSend): void => {
    this.#unsettled.delete(send);
    this.#aborts.forget(send.signal, send);
  };

  #slots(): number {
    const { connection, bandwidth } = this.#options;
    const session = connection.live;
    if (session !== undefined) return maxRuns(bandwidth(), session.runs.exclusive);
    void this.#connect();
    return 0;
  }

  /** Sends that wait meanwhile share a batch afterwards; they are rejected where it fails. */
  async #connect(): Promise<void> {
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    try {
      await this.#options.connection.acquire();
    } catch (error) {
      for (const send of this.#batcher.clear()) send.reject(this.#toTransportError(error));
    } finally {
      this.#isConnecting = false;
    }
    this.#batcher.wake();
  }

  #track<T>(running: Promise<T>): Promise<T> {
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  /** Never rejects. Returns the sends for a later run. */
  async #run(batch: readonly PendingSend[]): Promise<readonly PendingSend[]> {
    const { connection, policy, bandwidth } = this.#options;
    using run = new RunStop(batch, bandwidth);
    for (const send of batch) send.run = run;
    const stop = (): void => run.now();
    connection.signal.addEventListener('abort', stop, { once: true });
    try {
      const session = await connection.acquire();
      if (run.isAsked || run.signal.aborted) return this.#stillPending(batch);
      const { sendBatch } = await import('./batch.ts');
      const startedMs = performance.now();
      const { unsent, ...how } = await sendBatch(session, batch, policy, run);
      const ms = performance.now() - startedMs;
      policy.noteEnded({ files: batch.length, weight: totalWeight(batch), ms, ...how });
      return this.#stillPending(unsent);
    } catch (error) {
      for (const send of batch) send.reject(this.#toTransportError(error));
      return [];
    } finally {
      connection.signal.removeEventListener('abort', stop);
    }
  }

  /** Of sends that a run left untried: rejects those that were aborted, returns the others. */
  #stillPending(sends: readonly PendingSend[]): PendingSend[] {
    const { connection } = this.#options;
    return sends.filter((send) => {
      send.run = undefined;
      if (send.signal.aborted) send.reject(send.signal.reason);
      else if (connection.signal.aborted) send.reject(connection.stoppedError());
      return !send.isSettled;
    });
  }

  #abort(sends: readonly PendingSend[]): void {
    for (const send of sends) {
      if (this.#batcher.remove(send)) send.reject(send.signal.reason);
      // rsync cannot drop one of its files: the run ends, or is interrupted, and what is not confirmed then is sent again.
      else send.run?.ask();
    }
  }

  #toTransportError(error: unknown): TransportError {
    if (error instanceof TransportError) return error;
    return new TransportError('network', `Cannot use ${this.#options.label}: ${errorMessage(error)}`, { cause: error });
  }
}

const weigh = ({ file }: PendingSend): number => weightOf(file.identity.size);

const totalWeight = (batch: readonly PendingSend[]): number => batch.reduce((sum, send) => sum + weigh(send), 0);
