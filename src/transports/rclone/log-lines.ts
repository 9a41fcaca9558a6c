import type { Readable } from 'node:stream';

/** One line of rclone's log. */
export interface LogLine {
  readonly level: string;
  readonly text: string;
  /** What it is about: the path of a file, as rclone has it; undefined: nothing. */
  readonly object: string | undefined;
}

const MOST_WORDS = 4096;

/** It says so as a notice, where it listens. */
export const SERVING = /serving remote control on \[?([^\s\]]+)/i;

/** rclone's log, line by line, as JSON or as it says what keeps it from writing JSON. */
export class LogLines {
  readonly #listeners = new Set<(line: LogLine) => void>();
  #rest = '';
  #words = '';

  constructor(stderr: Readable) {
    stderr.setEncoding('utf8');
    stderr.on('data', (piece: string) => this.#take(piece));
  }

  /** What went wrong last, in its words. */
  get lastWords(): string {
    return this.#words.trim().replaceAll('\n', '; ');
  }

  /** Calls `listener` with each line until it is disposed. */
  listen(listener: (line: LogLine) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #take(piece: string): void {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const text of lines) {
      const line = parseLine(text);
      if (line.level !== 'info' && !SERVING.test(line.text))
        this.#words = `${this.#words}${line.text}\n`.slice(-MOST_WORDS);
      for (const listener of this.#listeners) listener(line);
    }
  }
}

/** Pure. */
export const parseLine = (line: string): LogLine => {
  try {
    const { level, msg, object } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    return { level: String(level), text: String(msg), object: typeof object === 'string' ? object : undefined };
  } catch {
    return { level: 'error', text: line.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, ''), object: undefined };
  }
};
