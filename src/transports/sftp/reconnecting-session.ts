import { setImmediate as immediate } from 'node:timers/promises';
import type { TransportContext } from '../../transport.ts';
import { Reconnecting } from '../reconnecting.ts';
import type { SftpOptions } from './options.ts';
import { toTransportError } from './server-errors.ts';
import { ServerHabits } from './server-habits.ts';
import { createSession, SENDS_PER_CHANNEL, type Session } from './session.ts';

/** The session of a transport: opened on first use, and again after its connection was lost. */
export class ReconnectingSession {
  readonly #options: SftpOptions;
  readonly #label: string;
  readonly #habits: ServerHabits;
  readonly #connection: Reconnecting<Session>;

  constructor(options: SftpOptions, context: TransportContext, label: string) {
    this.#options = options;
    this.#label = label;
    const habits = new ServerHabits(context.log);
    this.#habits = habits;
    this.#connection = new Reconnecting<Session>(label, async (signal) => {
      // Loaded on demand: ssh2 is slow to load, and a run without unsent files does not need it.
      const { openChannels } = await import('./channels.ts');
      return createSession(await openChannels(options, context, habits, signal), options, context, label, habits);
    });
  }

  get sendsAtOnce(): number {
    return this.#connection.live?.sendsAtOnce ?? SENDS_PER_CHANNEL;
  }

  /**
   * Runs `use` on a live session; again on another one where the server has shown meanwhile that it allows fewer handles.
   * @param action for the message of an error: `send "DC1/a.dat"`
   * @throws TransportError for any failure; the signal's reason once it is aborted
   */
  async run<T>(action: () => string, signal: AbortSignal, use: (session: Session) => Promise<T>): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const current = this.#connection.acquire();
      // Hot path: an open session is not awaited.
      const session = current instanceof Promise ? await current : current;
      const { lessons } = this.#habits.handles;
      try {
        return await use(session);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (await this.#hasLearned(session, lessons)) continue;
        const failed = { action: action(), destination: this.#label, folder: this.#options.path };
        throw await toTransportError(error, session.channels.leastBusy(), failed, session.isFull);
      }
    }
  }

  /** The session ended of what is known now, and another one would not. Each lesson halves a limit: there are few. */
  async #hasLearned({ closed }: Session, lessons: number): Promise<boolean> {
    if (!closed || this.#connection.signal.aborted) return false;
    await immediate(); // Why a channel has ended is known a turn later.
    const { handles } = this.#habits;
    if (handles.isReusing)
      this.#habits.tell(
        'warning',
        'the server gives one handle to several open files: what was open is thrown away, and files are sent one at a time',
      );
    return handles.lessons > lessons;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }
}
