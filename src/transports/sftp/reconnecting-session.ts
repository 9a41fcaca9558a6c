import { setImmediate as immediate } from 'node:timers/promises';
import type { Name, TransportContext } from '../../transport.ts';
import { Reconnecting } from '../reconnecting.ts';
import { ListingCutError } from './list-folder.ts';
import type { SftpOptions } from './options.ts';
import { nameEndsProgram, toTransportError, type FailedAction } from './server-errors.ts';
import { ServerHabits } from './server-habits.ts';
import { createSession, SENDS_PER_CHANNEL, type Session } from './session.ts';

/** `send "DC1/a.dat"`, and the path that it is about. */
export type Doing = Pick<FailedAction, 'action' | 'name'>;

const NOTHING: ReadonlyMap<Name, number> = new Map();

/** The session of a transport: opened on first use, and again after its connection was lost. */
export class ReconnectingSession {
  readonly #options: SftpOptions;
  readonly #label: string;
  readonly #habits: ServerHabits;
  readonly #connection: Reconnecting<Session>;
  /** How many requests are under way under each signal, which has one listener for all of them. */
  readonly #signals = new Map<AbortSignal, { count: number; readonly listener: () => void }>();

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

  get underWay(): ReadonlyMap<Name, number> {
    return this.#connection.live?.underWay ?? NOTHING;
  }

  get isLost(): boolean {
    return this.#connection.isLost;
  }

  get sendsAtOnce(): number {
    return this.#connection.live?.sendsAtOnce ?? SENDS_PER_CHANNEL;
  }

  /**
   * Runs `use` on a live session; again on another one where the server has shown meanwhile that it allows fewer handles.
   * @param doing for the message of an error
   * @throws TransportError for any failure; the signal's reason once it is aborted
   */
  async run<T>(doing: () => Doing, signal: AbortSignal, use: (session: Session) => Promise<T>): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const current = this.#connection.acquire();
      // Hot path: an open session is not awaited.
      const session = current instanceof Promise ? await untilAborted(current, signal) : current;
      const watched = this.#watch(signal);
      const { lessons } = this.#habits.handles;
      try {
        return await use(session);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (await this.#hasLearned(session, lessons)) continue;
        if (error instanceof ListingCutError) {
          this.#habits.listings.cut(error.folder);
          if (session.channels.hasProgramEnded) continue;
        }
        const failed = { ...doing(), destination: this.#label, folder: this.#options.path };
        if (isEndedByName(session, failed)) {
          if (!this.#habits.noteEnding(failed.name)) continue;
          throw nameEndsProgram(failed, error);
        }
        throw await toTransportError(error, session.channels.leastBusy(), failed, session.findTrouble);
      } finally {
        watched.count -= 1;
        if (watched.count === 0) this.#forget(signal, watched.listener);
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

/** Some programs die of a name that is not UTF-8: once may be chance, and twice with the same name is that name. */
const isEndedByName = (
  { channels }: Session,
  failed: FailedAction,
): failed is FailedAction & { readonly name: string } =>
  failed.name !== undefined && /\p{Cs}/u.test(failed.name) && channels.hasProgramEnded;

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
