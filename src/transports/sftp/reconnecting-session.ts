import type { TransportContext } from '../../transport.ts';
import { Reconnecting } from '../reconnecting.ts';
import type { SftpOptions } from './options.ts';
import { toTransportError } from './server-errors.ts';
import { createSession, SENDS_PER_CHANNEL, type Session } from './session.ts';

/** The session of a transport: opened on first use, and again after its connection was lost. */
export class ReconnectingSession {
  readonly #options: SftpOptions;
  readonly #label: string;
  readonly #connection: Reconnecting<Session>;
  /** How many requests are under way under each signal, which has one listener for all of them. */
  readonly #signals = new Map<AbortSignal, { count: number; readonly listener: () => void }>();

  constructor(options: SftpOptions, context: TransportContext, label: string) {
    this.#options = options;
    this.#label = label;
    this.#connection = new Reconnecting<Session>(label, async (signal) => {
      // Loaded on demand: ssh2 is slow to load, and a run without unsent files does not need it.
      const { openChannels } = await import('./channels.ts');
      return createSession(await openChannels(options, context, signal), options, context, label);
    });
  }

  get sendsAtOnce(): number {
    return this.#connection.live?.sendsAtOnce ?? SENDS_PER_CHANNEL;
  }

  /**
   * Runs `use` on a live session.
   * @param action for the message of an error: `send "DC1/a.dat"`
   * @throws TransportError for any failure; the signal's reason once it is aborted
   */
  async run<T>(action: () => string, signal: AbortSignal, use: (session: Session) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const current = this.#connection.acquire();
    // Hot path: an open session is not awaited.
    const session = current instanceof Promise ? await untilAborted(current, signal) : current;
    const watched = this.#watch(signal);
    try {
      return await use(session);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const failed = { action: action(), destination: this.#label, folder: this.#options.path };
      throw await toTransportError(error, session.channels.leastBusy(), failed, session.isFull);
    } finally {
      watched.count -= 1;
      if (watched.count === 0) this.#forget(signal, watched.listener);
    }
  }

  #watch(signal: AbortSignal): { count: number; readonly listener: () => void } {
    const known = this.#signals.get(signal);
    if (known !== undefined) {
      known.count += 1;
      return known;
    }
    const watched = { count: 1, listener: () => this.#connection.live?.channels.hurry() };
    this.#signals.set(signal, watched);
    signal.addEventListener('abort', watched.listener, { once: true });
    if (signal.aborted) watched.listener();
    return watched;
  }

  #forget(signal: AbortSignal, listener: () => void): void {
    this.#signals.delete(signal);
    signal.removeEventListener('abort', listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }
}

/** The session, or the signal's reason: a server that does not answer a login is not waited for. */
const untilAborted = async <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> => {
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
};
