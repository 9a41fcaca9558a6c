import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
  constants,
  type BigIntStats,
} from 'node:fs';
import { pathAt, inFolder } from '../source/open-beneath.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { FINISHED_PARSE, FINISHED_WATCH, FINISHED_WATCH_TEMPORARY } from '../source/markers.ts';
import { decodeName, fsPath, showName, type Name } from '../name.ts';

/**
 * Deletes a directory below the root by open folders, never through a symbolic link: files for which `isKnown` holds, the
 * markers and the folders that are empty then. `finished.watch` goes last: what a crash leaves is a finished directory, smaller.
 * @throws Error with a code at the first thing that is anything else; it and all that was not reached stays
 */
export const deleteDirectory = (
  root: Name,
  { name, dev, ino }: Pick<DirectorySnapshot, 'name' | 'dev' | 'ino'>,
  isKnown: (stats: BigIntStats) => boolean,
): void =>
  inFolder(root, '', (rootFolder) => {
    inFolder(root, name, (folder) => {
      const now = fstatSync(folder, { bigint: true });
      if (now.dev !== dev || now.ino !== ino) throw doubt('it was replaced since it was looked at');
      empty(folder, isKnown, new Set([FINISHED_PARSE, FINISHED_WATCH, FINISHED_WATCH_TEMPORARY]));
      for (const marker of [FINISHED_WATCH_TEMPORARY, FINISHED_PARSE, FINISHED_WATCH]) remove(folder, marker);
    });
    rmdirSync(fsPath(pathAt(rootFolder, name)));
  });

/** Deletes what is in the folder but for the names `spared`. */
const empty = (folder: number, isKnown: (stats: BigIntStats) => boolean, spared: ReadonlySet<Name>): void => {
  for (const bytes of readdirSync(fsPath(`/proc/self/fd/${folder}`), { encoding: 'buffer' })) {
    const name = decodeName(bytes);
    if (spared.has(name)) continue;
    const path = fsPath(pathAt(folder, name));
    const stats = lstatSync(path, { bigint: true });
    if (stats.isDirectory()) {
      const inner = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      try {
        empty(inner, isKnown, new Set());
      } finally {
        closeSync(inner);
      }
      rmdirSync(path);
    } else if (stats.isFile() && isKnown(stats)) unlinkSync(path);
    else throw doubt(`"${showName(name)}" in it changed since it was verified`);
  }
};

const remove = (folder: number, name: Name): void => {
  try {
    unlinkSync(fsPath(pathAt(folder, name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};

const doubt = (message: string): Error => Object.assign(new Error(message), { code: 'ESTALE' });
