import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import type { Report } from '../../core/events.ts';
import { plainMessage, systemErrorCode } from '../../errors.ts';
import { removeIfPossible } from '../../host/remove.ts';

const READABLE = 0o644;

/** What messages say of whose file it is. */
export interface TextfileWords {
  /** The key of the configuration. */
  readonly key: string;
  /** What a failure does not hinder, as a sentence. */
  readonly goesOn: string;
}

const SITE_WORDS: TextfileWords = { key: 'status.textfile', goesOn: 'Files are sent all the same' };

/** `status.textfile`, for a collector that reads files: whole under its name or not at all. What fails is one warning, until it works again. */
export class Textfile {
  readonly #path: string;
  readonly #report: Report;
  readonly #words: TextfileWords;
  #hasFailed = false;

  constructor(path: string, report: Report, words = SITE_WORDS) {
    this.#path = path;
    this.#words = words;
    this.#report = report;
  }

  write(text: string): void {
    // A collector reads each "*.prom" of its folder, which may be another user's: nothing of his is written through.
    const unnamed = `${this.#path}.${randomBytes(6).toString('hex')}`;
    try {
      writeFileSync(unnamed, text, { mode: READABLE, flag: 'wx' });
      chmodSync(unnamed, READABLE); // Whatever the umask: another user's program reads it.
      renameSync(unnamed, this.#path);
      this.#hasFailed = false;
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      removeIfPossible(unnamed);
      if (!this.#hasFailed) this.#warn(error);
      this.#hasFailed = true;
    }
  }

  #warn(error: unknown): void {
    const { key, goesOn } = this.#words;
    const cure = `let the user that runs isocket write its folder, free its disk, or correct ${key}`;
    const message = `Cannot write ${key} "${this.#path}": ${plainMessage(error)}; ${cure}. ${goesOn}`;
    this.#report({ type: 'note', level: 'warning', message });
  }
}
