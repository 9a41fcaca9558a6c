import { readFileSync } from 'node:fs';

const mbOf = (pid: number, field: string): number =>
  Math.round(
    Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024,
  );

/** Resident memory of a running process, in MB: now. */
export const residentMbOf = (pid: number): number => mbOf(pid, 'VmRSS');

/** The most that it ever was. */
export const peakMbOf = (pid: number): number => mbOf(pid, 'VmHWM');
