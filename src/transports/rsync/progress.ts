import { readFileSync } from 'node:fs';
import { systemErrorCode } from '../../errors.ts';

/**
 * How long a run may stand still before it is ended: rsync's own --timeout counts keep-alives as life, which two ends exchange that
 * wait for each other for ever (3.5.0 with --remove-source-files, where a file cannot be written), and a far end that was stopped.
 */
export interface StallLimits {
  readonly quietMs: number;
  /** After rsync has written an error: what follows it is more likely to wait for ever, and its words are known. */
  readonly afterErrorMs: number;
}

export const STALL_LIMITS: StallLimits = { quietMs: 60_000, afterErrorMs: 10_000 };

/** A far end that reads or syncs a big file is silent: so fast a disk must be, at least. */
const SLOWEST_BYTES_PER_MS = 10_000;
/** Keep-alives are a few bytes a minute. */
const MORE_THAN_KEEP_ALIVES = 512;

/** Pure. @param largestBytes of the files in the run that are read or written as a whole */
export const stallLimitMs = (
  { quietMs, afterErrorMs }: StallLimits,
  run: { readonly largestBytes: number; readonly hasErrors: boolean },
): number => (run.hasErrors ? afterErrorMs : quietMs) + run.largestBytes / SLOWEST_BYTES_PER_MS;

/** Decides from a growing number of bytes whether a run stands still. */
export class ProgressWatch {
  #bytes = 0;
  #lastMs: number;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /** Milliseconds without progress. */
  note(bytes: number, nowMs: number): number {
    if (bytes - this.#bytes > MORE_THAN_KEEP_ALIVES) {
      this.#bytes = bytes;
      this.#lastMs = nowMs;
    }
    return nowMs - this.#lastMs;
  }
}

/** Bytes that a process has read and written so far, files and pipes (proc_pid_io(5)); 0 where it has ended. */
export const bytesMoved = (pid: number | undefined): number => {
  try {
    const text = readFileSync(`/proc/${pid}/io`, 'latin1');
    return [...text.matchAll(/^[rw]char: (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return 0;
  }
};

/** The same of a process and its children, as long as they live. */
export const bytesMovedWithChildren = (pid: number | undefined): number => {
  let children = '';
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
  const pids = children.split(' ').filter((one) => one !== '');
  return pids.reduce((sum, one) => sum + bytesMoved(Number(one)), bytesMoved(pid));
};
