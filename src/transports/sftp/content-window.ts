/** What a far server gets at first: doubled while its replies come as quickly as the first ones. */
const FIRST_BYTES = 4 * 1024 * 1024;
/** Less would leave the server idle between two chunks. */
const LEAST_BYTES = 256 * 1024;
/** What may wait on the line: of a round trip, and on a near line. */
const QUEUE_SHARE = 0.5;
const QUEUE_MS = 5;
const GROWTH = { first: 2, later: 1.25 } as const;
/** Once the line is known, a late round may be a busy server's or our own processor's. */
const SHRINK = { first: 0, later: 0.7 } as const;
/** A round is not shorter, however near the server: it is to hold several replies. */
const ROUND_MS = 10;
/** The way to a server may change: its round trip is measured anew, with little on the line, for one round. */
const MEASURE_EVERY_MS = 30_000;

/** What was sent since it began. */
interface Round {
  readonly startMs: number;
  readonly isMeasuring: boolean;
  quickestMs: number;
}

/**
 * How much content of big files may be on its way at once. More than the line carries waits in its buffers, and whatever is asked meanwhile
 * waits behind it, small files among it. As TCP Vegas does it: where even the quickest reply of a round comes late, there is a queue. One for
 * a connection.
 */
export class ContentWindow {
  readonly #most: () => number;
  #bytes = FIRST_BYTES;
  /** Until the first queue was met. */
  #phase: keyof typeof GROWTH = 'first';
  /** The shortest time from a WRITE to its reply: that of the line without a queue. */
  #quickestMs = Infinity;
  #round: Round = { startMs: -Infinity, isMeasuring: false, quickestMs: Infinity };
  #measuredMs: number | undefined;

  /** @param most what the server can take, which may grow */
  constructor(most: () => number) {
    this.#most = most;
  }

  get bytes(): number {
    return Math.min(this.#round.isMeasuring ? LEAST_BYTES : this.#bytes, this.#most());
  }

  /** A WRITE was answered. Times are of one clock that never goes back. */
  noteReply(sentMs: number, nowMs: number): void {
    const tookMs = nowMs - sentMs;
    this.#quickestMs = Math.min(this.#quickestMs, tookMs);
    const round = this.#round;
    // It was sent into an earlier window's queue.
    if (sentMs < round.startMs) return;
    round.quickestMs = Math.min(round.quickestMs, tookMs);
    if (nowMs < round.startMs + ROUND_MS) return;
    if (round.isMeasuring) this.#quickestMs = round.quickestMs;
    else this.#adjust(round.quickestMs);
    this.#measuredMs = round.isMeasuring ? nowMs : (this.#measuredMs ?? nowMs);
    const isMeasuring = nowMs - this.#measuredMs > MEASURE_EVERY_MS;
    this.#round = { startMs: nowMs, isMeasuring, quickestMs: Infinity };
  }

  #adjust(quickestMs: number): void {
    const wantedMs = this.#quickestMs + Math.max(QUEUE_MS, this.#quickestMs * QUEUE_SHARE);
    const isQueued = quickestMs > wantedMs;
    const factor = isQueued ? Math.max(SHRINK[this.#phase], wantedMs / quickestMs) : GROWTH[this.#phase];
    if (isQueued) this.#phase = 'later';
    this.#bytes = Math.max(LEAST_BYTES, this.bytes * factor);
  }
}
