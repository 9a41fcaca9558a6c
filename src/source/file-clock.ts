import { statfsSync } from 'node:fs';
import { release } from 'node:os';
import { JIFFY_MS } from '../core/clock-tick.ts';
import { fsPath, type Name } from '../name.ts';

/** ext4, XFS, btrfs and tmpfs, by statfs(2). */
const MULTIGRAIN = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994]);

/**
 * The clock tick of the root's file system where its times have fractions of a second. Since Linux 6.13 these file systems have multigrain
 * timestamps: after somebody has looked at a file's times, its next change gets later ones, however soon it comes.
 */
export const fineTickMs = (root: Name): number => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const isMultigrain = major > 6 || (major === 6 && minor >= 13);
  return isMultigrain && MULTIGRAIN.has(statfsSync(fsPath(root)).type >>> 0) ? 0 : JIFFY_MS;
};

/** A whole second, as many file systems count, and what a loaded host takes for one call. */
const NO_OTHER_CLOCK_MS = 1500;

/** How far that clock is ahead of ours, from one process to the next. */
export interface KeptClock {
  /** As an earlier process found it, in milliseconds. */
  readonly aheadMs: number;
  keep(aheadMs: number): void;
}

const NOT_KEPT: KeptClock = { aheadMs: 0, keep: () => undefined };

/**
 * The clock by which the source's file system stamps its files: that of a file server may be another one than ours. How far it is ahead is
 * known from the first mark on.
 */
export class SourceClock {
  readonly #ours: () => number;
  readonly #kept: KeptClock;
  #aheadMs = 0;
  #keptMs: number;

  /** @param kept may hold no more */
  constructor(ours: () => number = Date.now, kept = NOT_KEPT) {
    this.#ours = ours;
    this.#kept = kept;
    this.#keptMs = kept.aheadMs;
  }

  /** @param ctimeNs of a file that was changed just now */
  noteChange(ctimeNs: bigint): void {
    const aheadMs = Number(ctimeNs / 1_000_000n) - this.#ours();
    this.#aheadMs = Math.abs(aheadMs) > NO_OTHER_CLOCK_MS ? aheadMs : 0;
    if (Math.abs(this.#aheadMs - this.#keptMs) <= NO_OTHER_CLOCK_MS) return;
    this.#keptMs = this.#aheadMs;
    this.#kept.keep(this.#aheadMs);
  }

  /** Milliseconds since 1970, whole. */
  now(): number {
    return this.#ours() + this.#aheadMs;
  }

  /** The same, where too late is wrong: before the first mark an earlier process may know it better. */
  earliest(): number {
    return this.#ours() + Math.min(this.#aheadMs, this.#keptMs);
  }
}
