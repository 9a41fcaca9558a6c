import type { IsocketEvent } from '../../core/events.ts';
import { StepRing } from '../../core/step-ring.ts';

/** Each with how many steps are kept: a quarter of an hour, six hours. */
const SERIES = [
  { stepMs: 5000, steps: 180 },
  { stepMs: 60_000, steps: 360 },
] as const;
const SAMPLE_MS = 5000;

/** What happened in each step of some length, oldest first. */
export interface HistorySeries {
  readonly stepSeconds: number;
  /** The end of the last step. ISO 8601. */
  readonly until: string;
  readonly files: readonly number[];
  readonly bytes: readonly number[];
  /** Unsent files at the end of the step; NaN (null in JSON): not known. */
  readonly backlog: readonly number[];
}

/** What was sent in the last hours, and what was left, in memory. */
export class History implements Disposable {
  readonly #series = SERIES.map(({ stepMs, steps }) => {
    const ring = (empty?: number): StepRing => new StepRing(stepMs, steps, performance.now(), empty);
    return { stepMs, files: ring(), bytes: ring(), backlog: ring(NaN) };
  });
  readonly #timer: NodeJS.Timeout;
  /** What the clock says at the beginning of the other one, which does not go back. */
  readonly #beginMs = Date.now() - performance.now();

  /** @param backlog unsent files now, as far as they are known */
  constructor(backlog: () => number) {
    this.#timer = setInterval(() => {
      const [files, nowMs] = [backlog(), performance.now()];
      for (const series of this.#series) series.backlog.set(files, nowMs);
    }, SAMPLE_MS).unref();
  }

  note(event: IsocketEvent): void {
    if (event.type !== 'sent') return;
    const nowMs = performance.now();
    for (const { files } of this.#series) files.add(1, nowMs);
  }

  moved(count: number): void {
    const nowMs = performance.now();
    for (const { bytes } of this.#series) bytes.add(count, nowMs);
  }

  read(): HistorySeries[] {
    const nowMs = performance.now();
    return this.#series.map(({ stepMs, files, bytes, backlog }) => ({
      stepSeconds: stepMs / 1000,
      until: new Date(this.#beginMs + nowMs - (nowMs % stepMs)).toISOString(),
      files: files.past(nowMs),
      bytes: bytes.past(nowMs),
      backlog: backlog.past(nowMs),
    }));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
