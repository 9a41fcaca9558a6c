import {
  closeSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { systemErrorCode } from '../../errors.ts';
import { encodeName, fsPath, type Name } from '../../name.ts';
import { makeNotedFolder, type NotedFolder } from '../../ssh/program/control-folder.ts';

/** A folder of links in a folder of our own, laid out as the files shall lie at the destination. rsync follows the links. */
export interface Farm extends Disposable {
  readonly path: string;
  /** The names in it, NUL-separated. */
  readonly list: Buffer;
  /** False where the name cannot stand beside those that are there already. */
  link(target: Name, source: Name): boolean;
  /** An empty file of that size and time: to compare with, without reading anything. */
  likeness(target: Name, size: bigint, mtimeSeconds: number): void;
  folder(target: Name): void;
  /** Makes those of these links again that rsync has removed. */
  mend(links: Iterable<readonly [target: Name, source: Name]>): void;
}

/**
 * Farms come and go with each run. In memory a link costs nothing beside what it stands for; on a busy disk it costs as much as
 * the file that it leads to.
 */
export const makeFarms = (stateFolder: string): NotedFolder =>
  makeNotedFolder(stateFolder, [process.env.XDG_RUNTIME_DIR ?? MEMORY, MEMORY]);

const MEMORY = '/dev/shm';

/** @param farms where to make it */
export const createFarm = (farms: string): Farm => {
  const path = mkdtempSync(`${farms}/farm-`);
  const folders = new Set<Name>();
  const listed: Buffer[] = [];
  const inFarm = (target: Name): string | Buffer => fsPath(`${path}/${target}`);
  const folder = (target: Name): void => {
    if (target === '' || folders.has(target)) return;
    mkdirSync(inFarm(target), { recursive: true, mode: 0o700 });
    folders.add(target);
  };
  const place = (target: Name): void => {
    folder(target.slice(0, Math.max(target.lastIndexOf('/'), 0)));
  };
  const add = (target: Name): void => {
    listed.push(encodeName(target), NUL);
  };
  return {
    path,
    get list() {
      return Buffer.concat(listed);
    },
    link: (target, source) => {
      try {
        place(target);
        symlinkSync(fsPath(source), inFarm(target));
      } catch (error) {
        if (['EEXIST', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return false;
        throw error;
      }
      add(target);
      return true;
    },
    likeness: (target, size, mtimeSeconds) => {
      place(target);
      const descriptor = openSync(inFarm(target), 'w', 0o600);
      ftruncateSync(descriptor, Number(size));
      const time = new Date(mtimeSeconds * 1000); // As a number, Node takes no time before 1970.
      futimesSync(descriptor, time, time);
      closeSync(descriptor);
      add(target);
    },
    folder,
    mend: (links) => {
      for (const [target, source] of links) {
        if (lstatSync(inFarm(target), { throwIfNoEntry: false }) === undefined)
          symlinkSync(fsPath(source), inFarm(target));
      }
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
};

const NUL = Buffer.from([0]);
