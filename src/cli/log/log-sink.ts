import { fstatSync, writeSync } from 'node:fs';
import { plainMessage, systemErrorCode } from '../../errors.ts';

/** Where lines of a log go. */
export interface LogOutput {
  /** @throws where it cannot be written */
  print(text: string): void;
}

/** The part of `process.stdout` and `process.stderr` that is used here. */
export interface LogStream {
  readonly fd: number;
  readonly isTTY?: boolean;
  readonly errored: Error | null;
  readonly writableLength: number;
  write(text: string): boolean;
}

export interface LogSinkOptions {
  readonly output: LogOutput;
  /** The line that tells of lost ones. */
  readonly describeLoss: (lines: number, reason: string) => string;
  /** @param lost lines since it could be written last */
  readonly onLoss?: (error: unknown, lost: number) => void;
}

/** So much may wait for a reader that does not read. */
const MOST_WAITING_BYTES = 1024 * 1024;

/**
 * Writes log lines, and never stops the program: a line that cannot be written (the disk is full, the reader is gone or does not read) is
 * counted, and the loss is told as soon as something can be written again.
 */
export class LogSink {
  readonly #options: LogSinkOptions;
  #lost = 0;
  #reason = '';

  constructor(options: LogSinkOptions) {
    this.#options = options;
  }

  /** @param text one line */
  write(text: string): void {
    const notice = this.#lost === 0 ? '' : this.#options.describeLoss(this.#lost, this.#reason);
    try {
      this.#options.output.print(notice + text);
      this.#lost = 0;
    } catch (error) {
      this.#lost += 1;
      this.#reason = plainMessage(error);
      this.#options.onLoss?.(error, this.#lost);
    }
  }

  /** Tells of what was lost, if that can be written now. */
  end(): void {
    if (this.#lost > 0) this.write('');
  }
}

/** Writes to a file descriptor at once: Node’s stream would end for good with the first failure. */
export class DirectOutput implements LogOutput {
  /** The last line was written in part. */
  #isTorn = false;

  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  print(text: string): void {
    const bytes = Buffer.from(this.#isTorn ? `\n${text}` : text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
      this.#isTorn = false;
    } catch (error) {
      if (systemErrorCode(error) !== undefined) this.#isTorn ||= written > 0;
      throw error;
    }
  }
}

/** stdout or stderr: a file is written directly, a terminal or a pipe through Node’s stream. */
export const streamOutput = (stream: LogStream): LogOutput => {
  if (stream.isTTY !== true && !isPipe(stream.fd)) return new DirectOutput(stream.fd);
  return {
    print: (text) => {
      if (stream.errored !== null) throw stream.errored;
      if (stream.writableLength > MOST_WAITING_BYTES) throw new Error('its reader does not read');
      stream.write(text); // Its error event is heard where the program begins.
    },
  };
};

const isPipe = (fd: number): boolean => {
  try {
    const stats = fstatSync(fd);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false; // Closed: each write says so.
  }
};
