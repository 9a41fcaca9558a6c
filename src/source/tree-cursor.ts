import { closeSync, fstatSync, openSync } from 'node:fs';
import { fsPath, type Name } from '../name.ts';
import { FOLDER, openFolderBeneath, pathAt } from './open-beneath.ts';

/** An open folder of the tree, or one above it. */
interface Place {
  /** Below the root. */
  readonly path: Name;
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * Walks through the folders below a root with one descriptor, never through a symbolic link. A step costs one name, not the names of the whole
 * path: a tree of thousands of levels is walked in a time that grows with its folders alone. The way up is `..`, which must be the folder that
 * was left; else the path is opened anew.
 */
export class TreeCursor implements Disposable {
  readonly #root: Name;
  /** From the directory to the folder that is open. */
  readonly #places: Place[] = [];
  #descriptor: number;
  /** What is open is not the last of the places: a folder was moved away meanwhile. */
  #isLost = false;

  /** @throws system errors; ELOOP or ENOTDIR where a link or a file is in the way */
  constructor(root: Name, directory: Name) {
    this.#root = root;
    this.#descriptor = openFolderBeneath(root, directory);
    this.#notePlace(directory);
  }

  /** Opens a folder in `parent` (paths below the root), which was open before and has not been removed from the way here. */
  enter(parent: Name, name: Name): number {
    this.#returnTo(parent);
    const descriptor = openSync(fsPath(pathAt(this.#descriptor, name)), FOLDER);
    this.#replace(descriptor);
    this.#notePlace(`${parent}/${name}`);
    return descriptor;
  }

  get descriptor(): number {
    return this.#descriptor;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #returnTo(parent: Name): void {
    while (this.#places.at(-1)?.path !== parent) {
      this.#places.pop();
      const above = this.#places.at(-1);
      if (above === undefined) throw new RangeError(`"${parent}" was not open`);
      this.#isLost ||= !this.#climbTo(above);
    }
    if (!this.#isLost) return;
    this.#replace(openFolderBeneath(this.#root, parent));
    this.#isLost = false;
  }

  /** False where the folder was moved away, or the one above cannot be opened from it: it is opened by its path, which says why not. */
  #climbTo({ dev, ino }: Place): boolean {
    try {
      this.#replace(openSync(pathAt(this.#descriptor, '..'), FOLDER));
      const now = fstatSync(this.#descriptor, { bigint: true });
      return now.dev === dev && now.ino === ino;
    } catch {
      return false;
    }
  }

  #replace(descriptor: number): void {
    const before = this.#descriptor;
    this.#descriptor = descriptor;
    closeSync(before);
  }

  #notePlace(path: Name): void {
    const { dev, ino } = fstatSync(this.#descriptor, { bigint: true });
    this.#places.push({ path, dev, ino });
  }
}
