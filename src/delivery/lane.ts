import type { OutgoingFile } from '../transport.ts';
import type { RetryingTransport } from './retrying-transport.ts';
import { isFull, LOOK_FOR_GROWTH_MS, type Urgency } from './send-slots.ts';

/** So many files may wait for one destination while another one takes them. */
export const MOST_WAITING = 1024;
/** So long others wait for a destination that has not answered yet: a login over a long line takes less. */
const CONNECTING_MS = 2000;

/** A destination was left behind: the others have the file, and a later listing sends it there. */
export class LeftBehind extends Error {
  constructor(label: string) {
    super(`${label} is behind the others`);
    this.name = 'LeftBehind';
  }
}

export interface LaneSend {
  readonly file: OutgoingFile;
  readonly urgency: Urgency;
  /** Another destination has taken the file, or refused it: then this one need not be waited for. */
  readonly isSettledElsewhere: () => boolean;
  /** It was closed once more since, and goes again, to all of them, when this send is over. */
  readonly isOutdated: () => boolean;
  readonly signal: AbortSignal;
}

interface Waiting {
  readonly send: LaneSend;
  readonly begin: () => void;
  readonly leave: () => void;
}

/**
 * The queue of one destination of several: what it takes at once, and what waits for that. A destination that is slow or does not answer holds
 * nobody else up: what others can take is left behind where it would wait too long.
 */
export class Lane {
  readonly transport: RetryingTransport;
  readonly #active = { live: 0, backlog: 0 };
  readonly #waiting: Record<Urgency, Waiting[]> = { live: [], backlog: [] };
  /** Sends to a destination that has not answered: all but the first are given up where they need not be waited for. */
  readonly #unanswered = new Map<LaneSend, AbortController>();
  readonly #now: () => number;
  readonly #answered: () => void;
  #askedMs: number | undefined;
  #looksAgain = false;
  /** Since it answered last. */
  #hasLeftBehind = false;

  /**
   * @param answered called when it answers after files were left behind
   * @param now milliseconds of a clock that only runs forward
   */
  constructor(
    transport: RetryingTransport,
    answered: () => void = () => undefined,
    now: () => number = () => performance.now(),
  ) {
    this.transport = transport;
    this.#answered = answered;
    this.#now = now;
  }

  /** Another destination has settled what is to be sent here: where that would wait too long it is left behind. */
  noteSettled(send: LaneSend): void {
    if (this.#isSilent) {
      const [probe] = this.#unanswered.keys();
      if (send !== probe || send.isOutdated()) this.#unanswered.get(send)?.abort();
    } else if (this.#size <= MOST_WAITING && !send.isOutdated()) return;
    const waiting = this.#waiting[send.urgency];
    const index = waiting.findIndex((one) => one.send === send);
    if (index >= 0) for (const { leave } of waiting.splice(index, 1)) leave();
  }

  /** How many more files keep it busy; undefined: it takes nothing more. */
  get room(): number | undefined {
    const { health, inFlight } = this.transport;
    const { live, backlog } = this.#active;
    return health.fatal === undefined ? 2 * inFlight - live - backlog - this.#size : undefined;
  }

  get #answers(): boolean {
    const { wasReached, failure } = this.transport.health;
    return wasReached && failure === undefined;
  }

  /** Resolves when the destination has confirmed the file. @throws LeftBehind; what its transport throws; the signal's reason */
  async send(send: LaneSend): Promise<void> {
    const { file, urgency, signal } = send;
    const { fatal } = this.transport.health;
    if (fatal !== undefined) throw fatal; // Of each file: nothing is to be made for that.
    if (this.#isFull(urgency)) await this.#turn(send);
    else this.#active[urgency] += 1;
    try {
      signal.throwIfAborted();
      if (this.#answers) await this.transport.send(file, signal);
      else await this.#sendUnanswered(send);
    } finally {
      this.#active[urgency] -= 1;
      this.#next();
      if (this.#hasLeftBehind && this.#answers) {
        this.#hasLeftBehind = false;
        this.#answered();
      }
    }
  }

  get #size(): number {
    return this.#waiting.live.length + this.#waiting.backlog.length;
  }

  /** It has had time enough to answer. */
  get #isSilent(): boolean {
    return !this.#answers && this.#askedMs !== undefined && this.#now() - this.#askedMs >= CONNECTING_MS;
  }

  #isFull(urgency: Urgency): boolean {
    // One send shows when it answers.
    if (this.#isSilent && this.#unanswered.size > 0) return true;
    return isFull(urgency, this.#active, this.transport.inFlight);
  }

  /** Resolves when it counts as active. */
  #turn(send: LaneSend): Promise<undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const begin = (): void => resolve(undefined);
    const leave = (): void => reject(this.#left());
    this.#waiting[send.urgency].push({ send, begin, leave });
    this.#lookAgain(LOOK_FOR_GROWTH_MS);
    return promise;
  }

  async #sendUnanswered(send: LaneSend): Promise<void> {
    const { file, signal } = send;
    this.#askedMs ??= this.#now();
    const giveUp = new AbortController();
    this.#unanswered.set(send, giveUp);
    this.#lookAgain(CONNECTING_MS);
    try {
      await this.transport.send(file, AbortSignal.any([signal, giveUp.signal]));
    } catch (error) {
      if (giveUp.signal.aborted && !signal.aborted) throw this.#left();
      throw error;
    } finally {
      this.#unanswered.delete(send);
      if (this.#answers) this.#askedMs = undefined;
    }
  }

  #left(): LeftBehind {
    this.#hasLeftBehind = true;
    return new LeftBehind(this.transport.label);
  }

  /** As many of those that wait as there is room for, live ones first. */
  #next(): void {
    for (const urgency of ['live', 'backlog'] as const) {
      while (!this.#isFull(urgency)) {
        const next = this.#waiting[urgency].shift();
        if (next === undefined) break;
        this.#active[urgency] += 1;
        next.begin();
      }
    }
  }

  #lookAgain(ms: number): void {
    if (this.#looksAgain) return;
    this.#looksAgain = true;
    setTimeout(() => {
      this.#looksAgain = false;
      this.#look();
    }, ms);
  }

  #look(): void {
    this.#leaveBehind();
    this.#next();
    if (this.#size > 0) this.#lookAgain(LOOK_FOR_GROWTH_MS);
    else if (!this.#answers && this.#unanswered.size > 0) this.#lookAgain(CONNECTING_MS / 10);
  }

  #leaveBehind(): void {
    const { live, backlog } = this.#waiting;
    const all = [...this.#unanswered.keys(), ...[...live, ...backlog].map(({ send }) => send)];
    for (const send of all)
      if (send.isOutdated() || (this.#isSilent && send.isSettledElsewhere())) this.noteSettled(send);
  }
}
