import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, unlinkSync, type BigIntStats } from 'node:fs';
import { systemErrorCode } from '../../errors.ts';
import { decodeName, fsPath, showName, type Name } from '../../name.ts';
import { FOLDER, pathAt, splitPath } from '../../source/open-beneath.ts';

/** Folders that are open at once. */
const MOST_OPEN = 128;

/**
 * The folder into which a directory is brought back. All in it is reached by open folders, one name after the other and never through a
 * link, whatever becomes of a path meanwhile; what is missing of them is made.
 */
export class TargetTree implements Disposable {
  readonly #base: Name;
  readonly #directory: Name;
  /** By path below the directory; the one that was used last comes last. */
  readonly #open = new Map<Name, number>();

  /** Folders that were looked for and are not there: we are who makes them. */
  readonly #missing = new Set<Name>();

  /** @param directory one name in `base` */
  constructor(base: Name, directory: Name) {
    this.#base = base;
    this.#directory = directory;
  }

  /** Of what stands under that name, itself no link followed; undefined: nothing. @throws ELOOP, ENOTDIR where no folder is on the way */
  stat(path: Name): BigIntStats | undefined {
    const { folder, name } = splitPath(path);
    const opened = this.#folder(folder, false);
    return opened === undefined
      ? undefined
      : lstatSync(fsPath(pathAt(opened, name)), { bigint: true, throwIfNoEntry: false });
  }

  /** Where a name is, for one call of the system in this turn. The folders on the way are made. */
  at(path: Name): string | Buffer {
    const { folder, name } = splitPath(path);
    return fsPath(pathAt(this.folder(folder), name));
  }

  /** The open folder, made where it is missing. Valid in this turn. */
  folder(path: Name): number {
    const opened = this.#folder(path, true);
    if (opened === undefined) throw new Error(`"${path}" was not made`);
    return opened;
  }

  /** Removes files in a folder by their names. */
  removeWhere(folder: Name, isToGo: (name: Name) => boolean): void {
    const opened = this.#folder(folder, false);
    if (opened === undefined) return;
    for (const bytes of readdirSync(`/proc/self/fd/${opened}`, { encoding: 'buffer' })) {
      const name = decodeName(bytes);
      if (isToGo(name)) unlinkSync(fsPath(pathAt(opened, name)));
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #folder(path: Name, makes: boolean): number | undefined {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    if (!makes && this.#missing.has(path)) return undefined;
    const opened = this.#openFolder(path, makes);
    if (opened === undefined) {
      this.#missing.add(path);
      return undefined;
    }
    this.#missing.delete(path);
    this.#open.set(path, opened);
    if (this.#open.size > MOST_OPEN) this.#closeOldest();
    return opened;
  }

  #openFolder(path: Name, makes: boolean): number | undefined {
    if (path === '') {
      const base = openOrMake(fsPath(this.#base), false);
      if (base === undefined) {
        if (makes) throw Object.assign(new Error(`"${showName(this.#base)}" is not there`), { code: 'ENOENT' });
        return undefined;
      }
      try {
        return openOrMake(fsPath(pathAt(base, this.#directory)), makes);
      } finally {
        closeSync(base);
      }
    }
    const { folder, name } = splitPath(path);
    const above = this.#folder(folder, makes);
    return above === undefined ? undefined : openOrMake(fsPath(pathAt(above, name)), makes);
  }

  #closeOldest(): void {
    for (const [path, descriptor] of this.#open) {
      this.#open.delete(path);
      closeSync(descriptor);
      return;
    }
  }
}

const openOrMake = (path: string | Buffer, makes: boolean): number | undefined => {
  try {
    return openSync(path, FOLDER);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    if (!makes) return undefined;
  }
  mkdirSync(path);
  return openSync(path, FOLDER);
};
