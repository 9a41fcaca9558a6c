interface Sample {
  readonly ms: number;
  readonly total: number;
}

const WINDOW_MS = 10_000;
const LEAST_STEP_MS = 250;
const STEADY_MS = 3000;

/** How fast a growing total grows, over the last ten seconds. */
export class RateMeter {
  readonly #samples: Sample[] = [];

  /** @param total never less than before; where it is, the measurement begins anew */
  note(total: number, nowMs: number): void {
    const last = this.#samples.at(-1);
    // What passes before anything moves is no time in which it moved.
    if (total === this.#samples[0]?.total && this.#samples.length === 1) this.#samples.length = 0;
    else if (last !== undefined && total < last.total) this.#samples.length = 0;
    else if (last !== undefined && nowMs - last.ms < LEAST_STEP_MS) return;
    this.#samples.push({ ms: nowMs, total });
    // The youngest one that is older than the window stays.
    while (nowMs - (this.#samples[1]?.ms ?? nowMs) >= WINDOW_MS) this.#samples.shift();
  }

  /** Is it known for so long that it says what is to come? */
  isSteady(nowMs: number): boolean {
    return nowMs - (this.#samples[0]?.ms ?? nowMs) >= STEADY_MS;
  }

  /** A second; undefined: not known yet. */
  perSecond(total: number, nowMs: number): number | undefined {
    const first = this.#samples[0];
    if (first === undefined || nowMs - first.ms < 2 * LEAST_STEP_MS) return undefined;
    return (Math.max(0, total - first.total) / (nowMs - first.ms)) * 1000;
  }
}
