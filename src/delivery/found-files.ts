import type { BigIntStats } from 'node:fs';
import type { Report } from '../core/events.ts';
import type { Name } from '../name.ts';

const FOUND_A_REPORT = 256;

/** Counts what listings of a directory find unsent, and reports it in portions. */
export class FoundFiles {
  readonly #directory: Name;
  readonly #report: Report;
  #found = { files: 0, bytes: 0 };

  constructor(directory: Name, report: Report) {
    this.#directory = directory;
    this.#report = report;
  }

  add({ size }: BigIntStats): void {
    this.#found.files += 1;
    this.#found.bytes += Number(size);
    if (this.#found.files >= FOUND_A_REPORT) this.flush();
  }

  flush(): void {
    if (this.#found.files > 0) this.#report({ type: 'found', directory: this.#directory, ...this.#found });
    this.#found = { files: 0, bytes: 0 };
  }
}
