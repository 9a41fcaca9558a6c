import { closeSync, ftruncateSync, futimesSync, lstatSync, mkdtempSync, openSync, symlinkSync } from 'node:fs';
import { systemErrorCode } from '../../errors.ts';
import { makeFolders } from '../../host/make-folders.ts';
import { removeIfPossible } from '../../host/remove.ts';
import { encodeName, fsPath, type Name } from '../../name.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../../ssh/program/control-folder.ts';
import { folderOf } from './target-path.ts';

/**
 * Each run makes and removes a tree. In memory a link is cheap compared with sending its file; on a busy disk it costs as much as
 * the file.
 */
export const makeStagingFolder = (stateFolder: string): TemporaryFolder =>
  makeTemporaryFolder(stateFolder, [process.env.XDG_RUNTIME_DIR ?? MEMORY, MEMORY]);

const MEMORY = '/dev/shm';

/** A folder of links to source files, laid out as the files will be at the destination. rsync follows the links. */
export class StagingTree implements Disposable {
  readonly path: string;
  readonly #folders = new Set<Name>();
  readonly #list: Buffer[] = [];

  /** @param stagingFolder where to make it */
  constructor(stagingFolder: string) {
    this.path = mkdtempSync(`${stagingFolder}/tree-`);
  }

  /** The files in it, NUL-separated, for rsync's stdin. */
  get list(): Buffer {
    return Buffer.concat(this.#list);
  }

  /** False where the name exists, or an existing file would be its parent. */
  link(target: Name, source: Name): boolean {
    try {
      this.folder(folderOf(target));
      symlinkSync(fsPath(source), this.#pathOf(target));
    } catch (error) {
      if (['EEXIST', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return false;
      throw error;
    }
    this.#add(target);
    return true;
  }

  /** Makes a sparse file of that size and time: a comparison by size and time needs no source. */
  placeholder(target: Name, size: bigint, mtimeSeconds: number): void {
    this.folder(folderOf(target));
    const descriptor = openSync(this.#pathOf(target), 'w', 0o600);
    try {
      ftruncateSync(descriptor, Number(size));
      const time = new Date(mtimeSeconds * 1000); // futimes takes a time before 1970 only as a Date.
      futimesSync(descriptor, time, time);
    } finally {
      closeSync(descriptor);
    }
    this.#add(target);
  }

  folder(target: Name): void {
    if (target === '' || this.#folders.has(target)) return;
    makeFolders(`${this.path}/${target}`, 0o700);
    this.#folders.add(target);
  }

  /** Makes again the links that rsync removed in lockstep. */
  relink(links: Iterable<readonly [target: Name, source: Name]>): void {
    for (const [target, source] of links) {
      if (lstatSync(this.#pathOf(target), { throwIfNoEntry: false }) === undefined)
        symlinkSync(fsPath(source), this.#pathOf(target));
    }
  }

  [Symbol.dispose](): void {
    removeIfPossible(this.path);
  }

  #add(target: Name): void {
    this.#list.push(encodeName(target), NUL);
  }

  #pathOf(target: Name): string | Buffer {
    return fsPath(`${this.path}/${target}`);
  }
}

const NUL = Buffer.from([0]);
