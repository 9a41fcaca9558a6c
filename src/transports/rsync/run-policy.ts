import type { Latency } from '../../ssh/program/latency.ts';
import { isLowLatency, keepsLockstep } from './lockstep.ts';
import { FIRST_WEIGHT, nextWeight, type FinishedRun } from './run-size.ts';

export const MAX_FILES_PER_RUN = 4096;
/** The start and the end of one run overlap with the others. */
const MAX_RUNS = 3;
/** Sends that a transport wants at once: full runs. */
export const MAX_IN_FLIGHT = MAX_RUNS * MAX_FILES_PER_RUN;

/** How the next run is made: decided from the connection's latency and from the runs that ended. */
export class RunPolicy {
  #maxWeight = FIRST_WEIGHT;
  #lockstep = false;
  /** A run in lockstep stood still. */
  #hasStalled = false;

  /** Weight of the next run, at most: see `weightOf`. */
  get maxWeight(): number {
    return this.#maxWeight;
  }

  get lockstep(): boolean {
    return this.#lockstep;
  }

  noteConnected(latency: Latency): void {
    this.#lockstep = isLowLatency(latency) && !this.#hasStalled;
  }

  noteEnded(run: FinishedRun): void {
    // rsync 3.5.0 waits for ever in lockstep once a file could not be written.
    this.#hasStalled ||= run.stalled && this.#lockstep;
    this.#lockstep &&= !run.stalled && keepsLockstep(run.files, run.ms);
    this.#maxWeight = nextWeight(this.#maxWeight, run);
  }
}

/** Pure. Runs at once: `--bwlimit` limits each run by itself, and an exclusive rrsync refuses a second one. */
export const maxRuns = (bandwidth: number | null, exclusive: boolean): number =>
  bandwidth === null && !exclusive ? MAX_RUNS : 1;
