import { fchmodSync, fstatSync, futimesSync } from 'node:fs';
import type { ProbeResult } from '../transport.ts';

/** Times of one file, in nanoseconds since 1970. */
export interface TimeSamples {
  /** A time with digits down to the microsecond was set: this was stored. */
  readonly stored: bigint;
  /** ctime after each of many changes made one right after the other. */
  readonly changes: readonly bigint[];
}

/** One more than a multiple of 2 s (FAT) and of 1 s. */
const SET_TIME_S = 1_000_000_001.987654;
/** Units in which file systems store a time: FAT 2 s, ext3 and ext4 with 128-byte inodes 1 s, exFAT 10 ms, others finer. */
const STORED_UNITS_NS = [2_000_000_000n, 1_000_000_000n, 100_000_000n, 10_000_000n, 1_000_000n, 1_000n];
const FINE_NS = 10_000_000n;
const LONGEST_MS = 200;

/** Changes an open file until two ctimes within 10 ms are seen; 200 ms at most. */
export const sampleTimes = (descriptor: number): TimeSamples => {
  futimesSync(descriptor, SET_TIME_S, SET_TIME_S);
  const stored = fstatSync(descriptor, { bigint: true }).mtimeNs;
  const changes: bigint[] = [];
  if (storedUnit(stored) > FINE_NS) return { stored, changes };
  const started = performance.now();
  while (performance.now() - started < LONGEST_MS) {
    fchmodSync(descriptor, 0o600);
    const changed = fstatSync(descriptor, { bigint: true }).ctimeNs;
    const last = changes.at(-1);
    if (changed === last) continue;
    changes.push(changed);
    if (last !== undefined && changed > last && changed - last <= FINE_NS) break;
  }
  return { stored, changes };
};

const storedUnit = (stored: bigint): bigint => STORED_UNITS_NS.find((unit) => stored % unit === 0n) ?? 1n;

/** How far two changes must be apart to have different times, in nanoseconds; undefined: further than was tried. Pure. */
export const timeResolution = ({ stored, changes }: TimeSamples): bigint | undefined => {
  const unit = storedUnit(stored);
  // A file system with a unit this coarse need not change its ctime while it is sampled.
  if (unit > FINE_NS) return unit;
  let least: bigint | undefined;
  for (const [index, time] of changes.entries()) {
    const step = time - (changes[index - 1] ?? time);
    if (step > 0n && (least === undefined || step < least)) least = step;
  }
  return least === undefined || least > unit ? least : unit;
};

/** Warns of a resolution coarser than 10 ms. Pure. */
export const timeResolutionLine = (resolution: bigint | undefined): ProbeResult => {
  const what = 'time resolution';
  const ms = Number(resolution ?? BigInt(LONGEST_MS) * 1_000_000n) / 1e6;
  const shown = ms < 1 ? 'less than 1 ms' : ms < 1000 ? `${Math.round(ms)} ms` : `${ms / 1000} s`;
  // The kernel's clock is corrected while it runs: a tick of 10 ms may measure a little longer.
  if (resolution !== undefined && Math.round(ms) <= 10) return { what, state: 'ok', message: `file times: ${shown}` };
  return {
    what,
    state: 'warning',
    message: `file times: ${resolution === undefined ? 'more than ' : ''}${shown}: a change this soon after another one may leave the times as they are`,
    hint: 'have the parser never write to a file again after closing it, or move the root to a file system with finer times (xfs, btrfs, ext4 with 256-byte inodes: mkfs.ext4 -I 256)',
  };
};
