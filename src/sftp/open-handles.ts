import { ChannelClosedError } from './replies.ts';

/** Concurrent handles of a channel with which an unknown server begins, and the most that it gets. */
const FIRST_HANDLES = 4;
const MOST_HANDLES = 256;

/** The server answered OPEN with a handle that is open already: what is written to one file would land in another. */
export class HandleReusedError extends ChannelClosedError {
  constructor() {
    super('the server gave one handle to two files that are open at once; what was open is thrown away');
  }
}

/**
 * How many handles a server allows on a channel, where it does not say so: few at first, twice as many while all goes well, half as many
 * after one was refused. Shared by all channels, and kept for the next connection.
 */
export class HandleLimit {
  #current = FIRST_HANDLES;
  #most = MOST_HANDLES;
  #opened = 0;
  #isReusing = false;
  #lessons = 0;

  /** How often the server has shown that it allows less than was thought. */
  get lessons(): number {
    return this.#lessons;
  }

  get current(): number {
    return this.#current;
  }

  /** The server gives one handle to several files. */
  get isReusing(): boolean {
    return this.#isReusing;
  }

  /** A handle was opened. */
  opened(): void {
    this.#opened += 1;
    if (this.#opened < this.#current) return;
    this.#opened = 0;
    this.#current = Math.min(this.#most, this.#current * 2);
  }

  /** One more was refused while so many were open. Returns a function that takes it back: that was not the reason. */
  refused(open: number): () => void {
    const before = this.#current;
    this.#lower(Math.max(1, Math.floor(open / 2)));
    return () => {
      this.#current = Math.max(this.#current, Math.min(before, this.#most));
    };
  }

  /** So many were too many: it stays below. */
  exceeded(open: number): void {
    this.#lessons += 1;
    this.#most = Math.min(this.#most, Math.max(1, Math.floor(open / 2)));
    this.#lower(this.#most);
  }

  /** One at a time from now on. */
  reused(): void {
    this.#isReusing = true;
    this.exceeded(1);
  }

  #lower(to: number): void {
    this.#opened = 0;
    this.#current = Math.min(this.#current, to);
  }
}

/** The handles that are open on one channel: no more than the limit, and none of them twice. */
export class OpenHandles {
  #limit = new HandleLimit();
  /** The server says how many it allows, and the caller keeps to it. */
  readonly isTold: boolean;
  readonly #open = new Set<number | string>();
  readonly #waiting: (() => void)[] = [];
  readonly #releaseListeners: (() => void)[] = [];
  /** What the server has said. */
  #told = Infinity;
  /** Open, or being opened. */
  #inUse = 0;
  #isEnded = false;

  constructor(isTold: boolean) {
    this.isTold = isTold;
  }

  get inUse(): number {
    return this.#inUse;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get limit(): HandleLimit {
    return this.#limit;
  }

  /** The server has said how many it allows; 0: it does not say. */
  told(handles: number): void {
    if (handles > 0) this.#told = handles;
  }

  /** For all channels to one server. */
  set limit(shared: HandleLimit) {
    this.#limit = shared;
  }

  get most(): number {
    return this.isTold && !this.#limit.isReusing ? this.#told : this.#limit.current;
  }

  /** Waits until one more may be opened. undefined: it may be opened now. */
  acquire(): Promise<void> | undefined {
    if (this.#isEnded || (this.#waiting.length === 0 && this.#inUse < this.most)) {
      this.#inUse += 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What was acquired was not opened, or is closed. */
  release(): void {
    this.#inUse -= 1;
    if (this.#releaseListeners.length > 0) for (const listener of this.#releaseListeners.splice(0)) listener();
    while (this.#waiting.length > 0 && this.#inUse < this.most) {
      this.#inUse += 1;
      this.#waiting.shift()?.();
    }
  }

  /** Resolves when one of those that are open is closed; at once where none is. */
  released(): Promise<void> {
    if (this.#isEnded || this.#inUse === 0) return Promise.resolve();
    return new Promise((resolve) => this.#releaseListeners.push(resolve));
  }

  /** @throws HandleReusedError if it is open already */
  opened(handle: Buffer): void {
    const key = keyOf(handle);
    if (this.#open.has(key)) {
      this.#limit.reused();
      throw new HandleReusedError();
    }
    this.#open.add(key);
    if (!this.isTold) this.#limit.opened();
  }

  /** The server has answered its CLOSE: only now may it give the handle to another file. */
  closed(handle: Buffer): void {
    if (this.#open.delete(keyOf(handle))) this.release();
  }

  /** The channel is closed: nobody waits any more, and who comes later is told so by the channel. */
  end(): void {
    this.#isEnded = true;
    for (const resolve of [...this.#waiting.splice(0), ...this.#releaseListeners.splice(0)]) resolve();
  }
}

/** OpenSSH's handles have four bytes: a number costs no allocation. */
const keyOf = (handle: Buffer): number | string =>
  handle.length === 4 ? handle.readUInt32BE(0) : handle.toString('latin1');
