import { readFileSync } from 'node:fs';

const mbOf = (pid: number, field: string): number =>
  Math.round(
    Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024,
  );

/** Resident memory of a running process, in MB: now. */
export const residentMbOf = (pid: number): number => mbOf(pid, 'VmRSS');

/** The most that it ever was. */
export const peakMbOf = (pid: number): number => mbOf(pid, 'VmHWM');

/** Of several processes: what would be free without them. What a process shares with others is divided among all of them (PSS). */
export const proportionalMbOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const kib = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1];
    return sum + Number(kib) / 1024;
  }, 0);
