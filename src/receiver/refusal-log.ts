import type { ClientEvent } from '../core/events.ts';

/** Kinds that are told apart; strangers choose how many there are. */
const MOST_KINDS = 100;
const OTHERS = 'others';

/** Tells the first refusal of a kind at once, and those that follow within a minute in one event: strangers could fill the log. */
export class RefusalLog implements Disposable {
  readonly #tell: (event: ClientEvent) => void;
  readonly #everyMs: number;
  readonly #kinds = new Map<string, { last: ClientEvent; more: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (event: ClientEvent) => void, everyMs = 60_000) {
    this.#tell = tell;
    this.#everyMs = everyMs;
  }

  add(kind: string, event: ClientEvent): void {
    const isKnown = this.#kinds.has(kind);
    const key = isKnown || this.#kinds.size < MOST_KINDS ? kind : OTHERS;
    const known = this.#kinds.get(key);
    if (known !== undefined) {
      known.last = event;
      known.more += 1;
      return;
    }
    this.#kinds.set(key, { last: event, more: 0 });
    this.#timer ??= setInterval(() => this.#flush(), this.#everyMs).unref();
    this.#tell(event);
  }

  [Symbol.dispose](): void {
    this.#flush();
    clearInterval(this.#timer);
  }

  /** Kinds of which nothing more came are new ones again. */
  #flush(): void {
    for (const [kind, { last, more }] of [...this.#kinds]) {
      if (more > 0) this.#tell({ ...last, more });
      this.#kinds.delete(kind);
      if (more > 0) this.#kinds.set(kind, { last, more: 0 });
    }
  }
}
