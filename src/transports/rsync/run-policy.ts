import { readFileSync } from 'node:fs';
import type { Latency } from '../../ssh/program/latency.ts';
import { isLowLatency, keepsLockstep } from './lockstep.ts';
import { FIRST_WEIGHT, nextWeight, type FinishedRun } from './run-size.ts';

const MAX_FILES_PER_RUN = 4096;
/** The start and the end of one run overlap with the others. */
const MAX_RUNS = 3;
/** For everything else that isocket opens. */
const OTHER_DESCRIPTORS = 256;
const MIN_FILES_PER_RUN = 16;

/** Pure. A run keeps each of its files open. @param limits /proc/self/limits */
export const filesPerRun = (limits: string): number => {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  const free = soft === undefined ? Infinity : Number(soft) - OTHER_DESCRIPTORS;
  return Math.max(MIN_FILES_PER_RUN, Math.min(MAX_FILES_PER_RUN, Math.floor(free / MAX_RUNS)));
};

/** How the next run is made: decided from the connection's latency and from the runs that ended. */
export class RunPolicy {
  #maxWeight = FIRST_WEIGHT;
  #lockstep = false;
  /** A run in lockstep stood still. */
  #hasStalled = false;
  /** In one run, at most. */
  readonly maxFiles: number;

  constructor(limits = readFileSync('/proc/self/limits', 'latin1')) {
    this.maxFiles = filesPerRun(limits);
  }

  /** Sends that a transport wants at once: full runs. */
  get maxInFlight(): number {
    return MAX_RUNS * this.maxFiles;
  }

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
