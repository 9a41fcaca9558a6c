import { readFileSync } from 'node:fs';

/** Where /proc says nothing: what a process has by default. */
const USUAL_DESCRIPTORS = 1024;

/** How many descriptors the handles of all sessions may hold together. */
export class HandleRoom {
  readonly #most: number;
  #open = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get isFull(): boolean {
    return this.#open >= this.#most;
  }

  take(descriptors: number): void {
    this.#open += descriptors;
  }

  leave(descriptors: number): void {
    this.#open -= descriptors;
  }
}

/** Node raises its own limit as far as it may: the second number. */
const mostDescriptors = (): number => {
  try {
    return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
  } catch {
    return NaN;
  }
};

/** Half of what this process may have open. The rest is for connections, the keys, and requests at work: no client may keep others out. */
export const roomOfProcess = new HandleRoom(Math.floor((mostDescriptors() || USUAL_DESCRIPTORS) / 2));
