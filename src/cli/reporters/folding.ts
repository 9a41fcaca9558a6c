/** Lines of one kind that were not printed: the last of them, and how many. */
export interface Folded<Line> {
  readonly last: Line;
  readonly count: number;
}

interface Kind<Line> {
  /** Since the kind was told last. */
  count: number;
  last: Line | undefined;
  lastMs: number;
  /** When the count is told. */
  untilMs: number;
  windowMs: number;
}

const FIRST_WINDOW_MS = 10_000;
const LONGEST_WINDOW_MS = 3_600_000;
/** After so long without one of its kind a line is the first of a new burst. */
const QUIET_MS = 300_000;
const MOST_KINDS = 100;

/**
 * Folds a burst of lines of one kind: the first is printed, the others are counted, and the count is told after 10 s; while they go on, after
 * twice as long each time, up to an hour. Pure: the caller has the clock.
 */
export class Folding<Line> {
  readonly #kinds = new Map<string, Kind<Line>>();
  readonly #evicted: Folded<Line>[] = [];

  /** Is this line to be printed now? */
  take(kind: string, line: Line, nowMs: number): boolean {
    const known = this.#kinds.get(kind);
    if (known !== undefined && (known.count > 0 || nowMs - known.lastMs < QUIET_MS)) {
      if (known.count === 0 && known.untilMs <= nowMs) known.untilMs = nowMs + known.windowMs;
      Object.assign(known, { count: known.count + 1, last: line, lastMs: nowMs });
      return false;
    }
    this.#kinds.delete(kind); // The newest are last.
    const windowMs = FIRST_WINDOW_MS;
    this.#kinds.set(kind, { count: 0, last: undefined, lastMs: nowMs, untilMs: nowMs + windowMs, windowMs });
    if (this.#kinds.size > MOST_KINDS) this.#evictOldest();
    return true;
  }

  /** What is to be told now. */
  due(nowMs: number): Folded<Line>[] {
    const due = this.#evicted.splice(0);
    for (const kind of this.#kinds.values()) if (kind.untilMs <= nowMs) due.push(...tell(kind, nowMs));
    return due;
  }

  /** All that is to be told, whenever it is due. What comes after that begins anew. */
  end(): Folded<Line>[] {
    const due = this.#evicted.splice(0);
    for (const kind of this.#kinds.values()) due.push(...tell(kind, Infinity));
    this.#kinds.clear();
    return due;
  }

  /** When something is due; undefined: nothing waits. */
  get nextMs(): number | undefined {
    if (this.#evicted.length > 0) return -Infinity;
    const waiting = [...this.#kinds.values()].filter(({ count }) => count > 0);
    return waiting.length === 0 ? undefined : Math.min(...waiting.map(({ untilMs }) => untilMs));
  }

  #evictOldest(): void {
    for (const [key, kind] of this.#kinds) {
      this.#kinds.delete(key);
      this.#evicted.push(...tell(kind, Infinity));
      return;
    }
  }
}

const tell = <Line>(kind: Kind<Line>, nowMs: number): Folded<Line>[] => {
  const { last, count } = kind;
  if (last === undefined || count === 0) return [];
  const windowMs = Math.min(2 * kind.windowMs, LONGEST_WINDOW_MS);
  Object.assign(kind, { count: 0, last: undefined, windowMs, untilMs: nowMs + windowMs });
  return [{ last, count }];
};
