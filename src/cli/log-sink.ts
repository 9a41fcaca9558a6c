import { fstatSync, writeSync } from 'node:fs';
import { plainMessage, systemErrorCode } from '../errors.ts';

/** The part of `process.stdout` and `process.stderr` that is used here. */
export interface LogStream {
  readonly fd: number;
  readonly isTTY?: boolean;
  readonly errored: Error | null;
  readonly writableLength: number;
  write(text: string): boolean;
}

export interface LogSinkOptions {
  readonly stream: LogStream;
  /** The line that tells of lost ones. */
  readonly describeLoss: (lines: number, reason: string) => string;
  readonly onLoss?: (error: unknown) => void;
}

/** So much may wait for a reader that does not read. */
const MOST_WAITING_BYTES = 1024 * 1024;

/**
 * Writes log lines, and never stops the program: a line that cannot be written (the disk is full, the reader is gone or does not read) is
 * counted, and the loss is told as soon as something can be written again. A file is written directly: Node’s stream would end for good with
 * the first failure.
 */
export class LogSink {
  readonly #options: LogSinkOptions;
  readonly #isStream: boolean;
  #lost = 0;
  #reason = '';
  /** The last line was written in part. */
  #isTorn = false;

  constructor(options: LogSinkOptions) {
    this.#options = options;
    this.#isStream = options.stream.isTTY === true || isPipe(options.stream.fd);
  }

  /** @param text one line */
  write(text: string): void {
    const notice = this.#lost === 0 ? '' : this.#options.describeLoss(this.#lost, this.#reason);
    try {
      this.#print((this.#isTorn ? '\n' : '') + notice + text);
      this.#lost = 0;
      this.#isTorn = false;
    } catch (error) {
      this.#lost += 1;
      this.#reason = plainMessage(error);
      this.#options.onLoss?.(error);
    }
  }

  /** Tells of what was lost, if that can be written now. */
  end(): void {
    if (this.#lost > 0) this.write('');
  }

  #print(text: string): void {
    const { stream } = this.#options;
    if (!this.#isStream) return this.#printDirectly(text);
    if (stream.errored !== null) throw stream.errored;
    if (stream.writableLength > MOST_WAITING_BYTES) throw new Error('its reader does not read');
    stream.write(text); // Its error event is heard where the program begins.
  }

  #printDirectly(text: string): void {
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#options.stream.fd, bytes, written);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      this.#isTorn ||= written > 0;
      throw error;
    }
  }
}

const isPipe = (fd: number): boolean => {
  try {
    const stats = fstatSync(fd);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false; // Closed: each write says so.
  }
};
