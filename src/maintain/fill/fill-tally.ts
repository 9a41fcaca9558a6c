import type { Report } from '../../core/events.ts';
import { plainMessage, TransportError } from '../../errors.ts';
import { ownCommand } from '../../host/own-command.ts';
import { showName, type Name } from '../../name.ts';
import { cureOf, pathIn } from '../../source/directory-failures.ts';

/** What a fill did in one directory, and what it reports as failed. */
export class FillTally {
  /** Files that the destination has now, and their bytes. */
  files = 0;
  bytes = 0;
  /** Of these, what was sent for it; in a dry run, what would be. */
  sent = 0;
  sentBytes = 0;
  /** Files that are not sent, or not whole there, each of which was reported; the directory itself counts as one. */
  failed = 0;
  readonly #directory: Name;
  readonly #destination: string;
  readonly #report: Report;

  constructor(directory: Name, destination: string, report: Report) {
    this.#directory = directory;
    this.#destination = destination;
    this.#report = report;
  }

  /** One more file is there. */
  count(size: bigint): void {
    this.files += 1;
    this.bytes += Number(size);
  }

  countSent(size: bigint): void {
    this.sent += 1;
    this.sentBytes += Number(size);
  }

  /** @param path below the directory; '' is the directory itself */
  refuse(path: Name, reason: string, hint?: string): void {
    const what = `Cannot fill "${showName(pathIn(this.#directory, path))}" at ${this.#destination}: ${reason}`;
    const again = `its directory stays as it is; to send all of it to every destination again: ${ownCommand('reset', this.#directory)}`;
    this.fail(new TransportError('file', what, { hint: hint ?? again }), path);
  }

  /** Of an error of the system, what the disk here says. */
  fail(error: unknown, path: Name = ''): void {
    this.failed += 1;
    const { message, hint = cureOf(error) } =
      error instanceof TransportError
        ? error
        : { message: `Cannot fill "${showName(pathIn(this.#directory, path))}": ${plainMessage(error)}` };
    this.#report({
      type: 'failed',
      path: pathIn(this.#directory, path),
      class: 'file',
      message,
      hint,
      attempts: 1,
      held: false,
    });
  }
}
