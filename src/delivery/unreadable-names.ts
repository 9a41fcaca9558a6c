import type { Report } from '../core/events.ts';
import type { Name } from '../name.ts';
import { cannotRead, failedDirectory, pathIn } from '../source/directory-failures.ts';

/** Names in one directory that the disk does not let us read: each is reported once for as long as every cycle meets it. */
export class UnreadableNames {
  readonly #directory: Name;
  readonly #report: Report;
  /** What was said of each, in the last cycle and in this one. */
  #before: ReadonlyMap<Name, string> = new Map();
  #now = new Map<Name, string>();

  constructor(directory: Name, report: Report) {
    this.#directory = directory;
    this.#report = report;
  }

  startCycle(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }

  note(path: Name, error: unknown): void {
    const named = pathIn(this.#directory, path);
    const failure = cannotRead(named, error);
    const known = this.#now.get(path) ?? this.#before.get(path);
    this.#now.set(path, failure.message);
    if (known !== failure.message) this.#report(failedDirectory(named, failure));
  }
}
