import { StepRing } from '../../core/step-ring.ts';
import type { IsocketEvent } from '../../core/events.ts';
import type { Activity } from '../../instance/activity.ts';

const [STEP_MS, STEPS] = [5000, 12];

/** What a process sent since it began, and how fast in the last minute. */
export class Throughput {
  readonly #startedMs: number;
  readonly #files: StepRing;
  readonly #bytes: StepRing;
  readonly #sent = { files: 0, bytes: 0 };

  constructor(nowMs = performance.now()) {
    this.#startedMs = nowMs;
    this.#files = new StepRing(STEP_MS, STEPS, nowMs);
    this.#bytes = new StepRing(STEP_MS, STEPS, nowMs);
  }

  note(event: IsocketEvent, nowMs = performance.now()): void {
    if (event.type !== 'sent') return;
    this.#sent.files += 1;
    this.#sent.bytes += event.bytes;
    this.#files.add(1, nowMs);
  }

  /** So many more have arrived, of whole files or of others. */
  moved(bytes: number, nowMs = performance.now()): void {
    this.#bytes.add(bytes, nowMs);
  }

  at(nowMs = performance.now()): NonNullable<Activity['throughput']> {
    const covered = STEPS * STEP_MS + (nowMs % STEP_MS);
    const seconds = Math.max(1000, Math.min(covered, nowMs - this.#startedMs)) / 1000;
    const perSecond = (ring: StepRing): number => Math.round((ring.total(nowMs) / seconds) * 10) / 10;
    return { ...this.#sent, filesPerSecond: perSecond(this.#files), bytesPerSecond: perSecond(this.#bytes) };
  }
}

/** So long takes what is left at this rate; null: nobody can say. Pure. */
export const secondsLeft = (
  unsent: { readonly files: number; readonly bytes: number },
  rate: Pick<NonNullable<Activity['throughput']>, 'filesPerSecond' | 'bytesPerSecond'> | undefined,
): number | null => {
  if (unsent.files === 0) return 0;
  if (rate === undefined || rate.filesPerSecond + rate.bytesPerSecond === 0) return null;
  // Small files take their time by number, big ones by size. While one big file goes, none is finished.
  const byFiles = rate.filesPerSecond === 0 ? 0 : unsent.files / rate.filesPerSecond;
  const byBytes = unsent.bytes === 0 ? 0 : unsent.bytes / rate.bytesPerSecond;
  const seconds = Math.max(byFiles, byBytes);
  return Number.isFinite(seconds) ? Math.round(seconds) : null;
};
