import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { DirectOutput, type LogOutput } from './log-sink.ts';

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;
/** A pipe without a reader must not stop us: O_NONBLOCK. */
const FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY;
const MODE = 0o640;
const LOOK_EVERY_MS = 100;

interface Open {
  readonly fd: number;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly output: DirectOutput;
}

/** A log file that is found again where logrotate moved it away: its name is looked at before a line, ten times a second at most. */
export class LogFile implements LogOutput {
  readonly #path: string;
  #open: Open | undefined;
  #lookedMs = -Infinity;
  #failure: unknown;

  constructor(path: string) {
    this.#path = path;
  }

  print(text: string): void {
    if (performance.now() - this.#lookedMs >= LOOK_EVERY_MS) this.#look();
    if (this.#open === undefined) throw this.#failure;
    this.#open.output.print(text);
  }

  /** The name is looked at before the next line. */
  reopen(): void {
    this.#lookedMs = -Infinity;
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
    this.reopen();
  }

  #look(): void {
    this.#lookedMs = performance.now();
    try {
      const there = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
      if (this.#open !== undefined && there?.ino === this.#open.ino && there.dev === this.#open.dev) return;
      const fd = openSync(this.#path, FLAGS, MODE);
      if (this.#open !== undefined) closeSync(this.#open.fd);
      const { dev, ino } = fstatSync(fd, { bigint: true });
      this.#open = { fd, dev, ino, output: new DirectOutput(fd) };
    } catch (error) {
      this.#failure = error;
      // Moved away by somebody who has not made the new one yet, as it may be: what is written there is not lost. In a removed one it is.
      if (this.#open !== undefined && fstatSync(this.#open.fd).nlink === 0) this.close();
    }
  }
}
