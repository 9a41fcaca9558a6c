import { statSync } from 'node:fs';
import { fsPath, type Name } from '../name.ts';

/** Whether the disk is still mounted that was seen at the root: what is written below it otherwise is hidden once it is back. */
export class RootDisk {
  readonly #root: Name;
  #wasSeen = false;

  constructor(root: Name) {
    this.#root = root;
    this.problem();
  }

  /** Why nothing may be written; undefined: it may. A disk that is mounted later counts from then on. */
  problem(): string | undefined {
    let isMounted: boolean;
    try {
      isMounted = this.#device('') !== this.#device('/..');
    } catch {
      return undefined; // It is not there at all: whoever opens it hears why.
    }
    if (isMounted) this.#wasSeen = true;
    if (isMounted || !this.#wasSeen) return undefined;
    return `the disk of "${this.#root}" is not mounted any more; mount it, or restart isocket to use the folder as it is`;
  }

  #device(below: '' | '/..'): bigint {
    return statSync(fsPath(`${this.#root}${below}`), { bigint: true }).dev;
  }
}
