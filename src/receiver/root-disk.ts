import { statSync } from 'node:fs';
import { fsPath, type Name } from '../name.ts';

/** Whether the disk is still mounted that was at the root at the start: what is written below it otherwise is hidden once it is back. */
export class RootDisk {
  readonly #root: Name;
  readonly #wasMounted: boolean;

  constructor(root: Name) {
    this.#root = root;
    this.#wasMounted = this.#isMounted() === true;
  }

  /** Why nothing may be written; undefined: it may. */
  problem(): string | undefined {
    if (!this.#wasMounted || this.#isMounted() !== false) return undefined;
    return `the disk of "${this.#root}" is not mounted any more; mount it, or restart isocket to use the folder as it is`;
  }

  /** undefined: it is not there at all; whoever opens it hears why. */
  #isMounted(): boolean | undefined {
    try {
      return this.#device('') !== this.#device('/..');
    } catch {
      return undefined;
    }
  }

  #device(below: '' | '/..'): bigint {
    return statSync(fsPath(`${this.#root}${below}`), { bigint: true }).dev;
  }
}
