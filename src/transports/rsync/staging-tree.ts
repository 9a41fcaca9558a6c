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
import { makeTemporaryFolder, type TemporaryFolder } from '../../ssh/program/control-folder.ts';

/** A folder of links to source files, laid out as the files will be at the destination. rsync follows the links. */
export interface StagingTree extends Disposable {
  readonly path: string;
  /** The files in it, NUL-separated, for rsync's stdin. */
  readonly list: Buffer;
  /** False where the name exists, or an existing file would be its parent. */
  link(target: Name, source: Name): boolean;
  /** Makes a sparse file of that size and time: a comparison by size and time needs no source. */
  placeholder(target: Name, size: bigint, mtimeNs: bigint): void;
  folder(target: Name): void;
  /** Makes again the links that rsync removed in lockstep. */
  relink(links: Iterable<readonly [target: Name, source: Name]>): void;
}

/**
 * Each run makes and removes a tree. In memory a link is cheap compared with sending its file; on a busy disk it costs as much as
 * the file.
 */
export const makeStagingFolder = (stateFolder: string): TemporaryFolder =>
  makeTemporaryFolder(stateFolder, [process.env.XDG_RUNTIME_DIR ?? MEMORY, MEMORY]);

const MEMORY = '/dev/shm';

/** @param stagingFolder where to make it */
export const createStagingTree = (stagingFolder: string): StagingTree => {
  const path = mkdtempSync(`${stagingFolder}/tree-`);
  const folders = new Set<Name>();
  const listed: Buffer[] = [];
  const pathOf = (target: Name): string | Buffer => fsPath(`${path}/${target}`);
  const folder = (target: Name): void => {
    if (target === '' || folders.has(target)) return;
    mkdirSync(pathOf(target), { recursive: true, mode: 0o700 });
    folders.add(target);
  };
  const makeParent = (target: Name): void => {
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
        makeParent(target);
        symlinkSync(fsPath(source), pathOf(target));
      } catch (error) {
        if (['EEXIST', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return false;
        throw error;
      }
      add(target);
      return true;
    },
    placeholder: (target, size, mtimeNs) => {
      makeParent(target);
      const descriptor = openSync(pathOf(target), 'w', 0o600);
      ftruncateSync(descriptor, Number(size));
      const time = new Date(wholeSeconds(mtimeNs) * 1000); // futimes takes a time before 1970 only as a Date.
      futimesSync(descriptor, time, time);
      closeSync(descriptor);
      add(target);
    },
    folder,
    relink: (links) => {
      for (const [target, source] of links) {
        if (lstatSync(pathOf(target), { throwIfNoEntry: false }) === undefined)
          symlinkSync(fsPath(source), pathOf(target));
      }
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
};

const SECOND_NS = 1_000_000_000n;
/** Rounds down, also before 1970: rsync compares whole seconds. */
const wholeSeconds = (ns: bigint): number => Number((ns - (((ns % SECOND_NS) + SECOND_NS) % SECOND_NS)) / SECOND_NS);

const NUL = Buffer.from([0]);
