import type { BigIntStats, Stats } from 'node:fs';
import type { Accesses } from './accesses.ts';
import { Clock, type Fineness } from './clock.ts';

const real = process.getBuiltinModule('node:fs');

/** What the simulated file system keeps of an inode beside the real one's content and mode. */
export interface Inode {
  number: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  birthNs: bigint;
  /** Stores through a mapping that left no time: how many were made in all when the last one was made to it. */
  untraced: number;
}

/** A process that has a file open for writing, or mapped. */
export interface Writer {
  readonly descriptor: number;
  readonly isMapped: boolean;
  /** It stored something through the mapping: later stores leave no time. */
  isDirty: boolean;
}

/** The end of the simulated process: nothing that it still does has an effect. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export interface WorldOptions {
  readonly folder: string;
  readonly fineness: Fineness;
  readonly hasBirthTimes: boolean;
  /** POSIX leaves it open whether a rename moves the ctime. */
  readonly renameMovesCtime: boolean;
  readonly reusesInodes: boolean;
  readonly onPoint: () => void;
  readonly onFinished: (directory: string) => void;
  /** The program set the mark on a file. */
  readonly onMarked: (file: string) => void;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Everything outside the program: disk, clock, other processes, and which of its steps comes next. */
export class World {
  readonly root: string;
  readonly outside: string;
  readonly clock: Clock;
  readonly options: WorldOptions;
  readonly writers = new Map<number, Writer>();
  /** Every content that any file had at any time. */
  readonly contents = new Set<string>(['']);
  /** Stores through mappings that left no time on their file. */
  untracedStores = 0;
  isCrashed = false;
  hasCrashed = false;
  /** Some process of the program is over; what it left under way may still come to its end. */
  hasEnded = false;
  /** The inode whose mode the program is about to change: it looked at it in the call before. */
  changing: number | undefined;
  readonly violations: string[] = [];
  /** Where it is asked for, what the program reads and writes. */
  accesses: Accesses | undefined;
  /** The folders that the program opened, as they were called then. */
  /** Descriptors that the program has open. */
  readonly opened = new Set<number>();
  readonly openFolders = new Map<number, string>();
  readonly #inodes = new Map<number, Inode>();
  readonly #freed: bigint[] = [];
  #nextInode = 100n;
  readonly #waiting: Waiting[] = [];
  #timers: (Waiting & { readonly dueMs: number })[] = [];

  constructor(options: WorldOptions) {
    this.options = options;
    this.root = `${options.folder}/root`;
    this.outside = `${options.folder}/outside`;
    this.clock = new Clock(options.fineness);
    for (const folder of [this.root, this.outside]) real.mkdirSync(folder, { recursive: true });
  }

  /** Other processes may do something here. @throws Crash */
  point(): void {
    this.#endIfCrashed();
    this.options.onPoint();
    this.#endIfCrashed();
  }

  /** A write through it has no effect: its process is over, or has closed it, which would write into another file. */
  isLost(descriptor: number): boolean {
    if (this.isCrashed) return true;
    if (this.opened.has(descriptor)) return false;
    if (!this.hasEnded) this.violations.push(`a write to descriptor ${descriptor} after it was closed`);
    return true;
  }

  #endIfCrashed(): void {
    if (this.isCrashed) throw new Crash();
  }

  /** A point at which the program gives way to its own other work. */
  turn(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  delay(ms: number): Promise<void> {
    return new Promise((resolve, reject) => this.#timers.push({ dueMs: this.clock.monotonicMs + ms, resolve, reject }));
  }

  /** Nothing happens before time goes on. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && !this.#timers.some(({ dueMs }) => dueMs <= this.clock.monotonicMs);
  }

  /** Lets one of those that wait go on. False: nobody waits. */
  resume(random: () => number): boolean {
    if (this.isCrashed) return this.#endAll();
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.clock.monotonicMs);
    const [next] =
      due.length > 0 ? due : this.#waiting.length > 0 ? [] : this.#timers.toSorted((a, b) => a.dueMs - b.dueMs);
    if (next !== undefined) {
      this.#timers = this.#timers.filter((timer) => timer !== next);
      if (next.dueMs > this.clock.monotonicMs) this.accesses?.readsAll();
      this.clock.advance(Math.max(0, next.dueMs - this.clock.monotonicMs));
      next.resolve();
      return true;
    }
    const [chosen] = this.#waiting.splice(Math.floor(random() * this.#waiting.length), 1);
    chosen?.resolve();
    return chosen !== undefined;
  }

  /** Lets a timer that is over go on. False: there is none. */
  fireTimer(): boolean {
    const isOver = ({ dueMs }: { readonly dueMs: number }): boolean => dueMs <= this.clock.monotonicMs;
    return this.#timers.some(isOver) && this.resume(() => 0);
  }

  #endAll(): boolean {
    const ended = [...this.#waiting.splice(0), ...this.#timers.splice(0)];
    for (const { reject } of ended) reject(new Crash());
    return ended.length > 0;
  }

  inode(realNumber: number): Inode {
    let inode = this.#inodes.get(realNumber);
    if (inode === undefined) {
      const now = this.clock.stampNs();
      const number = (this.options.reusesInodes ? this.#freed.pop() : undefined) ?? (this.#nextInode += 1n);
      inode = { number, mtimeNs: now, ctimeNs: now, birthNs: this.options.hasBirthTimes ? now : 0n, untraced: 0 };
      this.#inodes.set(realNumber, inode);
    }
    return inode;
  }

  free(realNumber: number): void {
    const inode = this.#inodes.get(realNumber);
    if (inode === undefined) return;
    this.#inodes.delete(realNumber);
    this.#freed.push(inode.number);
  }

  /** Its content changed. */
  touch(realNumber: number): void {
    const inode = this.inode(realNumber);
    inode.mtimeNs = inode.ctimeNs = this.clock.stampNs();
  }

  /** Its mode, links or times changed. */
  touchStatus(realNumber: number): void {
    this.inode(realNumber).ctimeNs = this.clock.stampNs();
  }

  /** Real stats → simulated ones. */
  see<Seen extends BigIntStats | Stats>(stats: Seen): Seen {
    const inode = this.inode(Number(stats.ino));
    if (typeof stats.ino !== 'bigint')
      return Object.assign(stats, {
        ino: Number(inode.number),
        mtimeMs: Number(inode.mtimeNs) / 1e6,
        ctimeMs: Number(inode.ctimeNs) / 1e6,
      });
    return Object.assign(stats, {
      ino: inode.number,
      mtimeNs: inode.mtimeNs,
      ctimeNs: inode.ctimeNs,
      birthtimeNs: inode.birthNs,
      mtimeMs: inode.mtimeNs / 1_000_000n,
      ctimeMs: inode.ctimeNs / 1_000_000n,
      birthtimeMs: inode.birthNs / 1_000_000n,
    });
  }
}

let current: World | undefined;

export const theWorld = (): World | undefined => current;

const realClocks = { now: Date.now, random: Math.random };

/** Runs `use` with the program's file system, clocks and chance simulated. */
export const inWorld = async <T>(world: World, random: () => number, use: () => Promise<T>): Promise<T> => {
  current = world;
  Date.now = () => Math.floor(world.clock.wallMs);
  Math.random = random;
  performance.now = () => world.clock.monotonicMs;
  try {
    return await use();
  } finally {
    current = undefined;
    Date.now = realClocks.now;
    Math.random = realClocks.random;
    Reflect.deleteProperty(performance, 'now');
    for (const { descriptor } of world.writers.values()) real.closeSync(descriptor);
  }
};
