import { lstatSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { Report } from '../core/events.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { UserError } from '../errors.ts';
import { fsPath, showName, type Name } from '../name.ts';
import { readRoot, type IsExcluded } from '../source/scanner.ts';

/** The root as the daemon found it at its start: it may go away and come back, but not become another one. */
export class RootWatch {
  readonly #source: Config['source'];
  readonly #isExcluded: IsExcluded;
  readonly #report: Report;
  readonly #home: string;
  #failure: string | undefined;

  constructor(source: Config['source'], isExcluded: IsExcluded, report: Report) {
    this.#source = source;
    this.#isExcluded = isExcluded;
    this.#report = report;
    this.#home = identityOf(source.root);
  }

  /**
   * The directories that are there now. `wasAway`: the last listing failed.
   * @throws UserError, which is reported once, while the root cannot be read or is another one
   */
  list(): { readonly directories: readonly DirectorySnapshot[]; readonly wasAway: boolean } {
    const { root, tag } = this.#source;
    try {
      const directories = readRoot(root, tag, this.#isExcluded);
      if (identityOf(root) !== this.#home) throw replaced(root);
      const wasAway = this.#failure !== undefined;
      if (wasAway) this.#report({ type: 'note', level: 'warning', message: `${showName(root)} is back` });
      this.#failure = undefined;
      return { directories, wasAway };
    } catch (error) {
      if (error instanceof UserError) this.#noteFailure(error);
      throw error;
    }
  }

  #noteFailure({ message: state, hint }: UserError): void {
    const message = hint === undefined ? state : `${state}; ${hint}`;
    if (message !== this.#failure) this.#report({ type: 'note', level: 'warning', message });
    this.#failure = message;
  }
}

const identityOf = (root: Name): string => {
  const stats = lstatSync(fsPath(root), { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`;
};

const replaced = (root: Name): UserError =>
  new UserError(`Cannot go on with source.root "${showName(root)}": it is another folder than at the start`, {
    hint: 'was it unmounted? Put it back, or restart isocket to work on what is there now',
  });
