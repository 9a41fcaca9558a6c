import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  type BigIntStats,
} from 'node:fs';
import { pathAt, inFolder } from '../source/open-beneath.ts';
import { isBroughtBack, type DirectorySnapshot } from '../core/lifecycle.ts';
import { FINISHED_PARSE, FINISHED_WATCH, FINISHED_WATCH_TEMPORARY } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';

type Directory = Pick<DirectorySnapshot, 'name' | 'dev' | 'ino'>;

/**
 * Writes `DIRECTORY/finished.watch`, durably and all at once: content on stable storage, then the name, then the folder that
 * holds the name. The parser may write the folder: what it put under our temporary name is removed, never written through. A
 * directory that got another name meanwhile keeps no proof: it would speak of files that no destination has under that name.
 * @throws Error where the directory is no longer the one that was looked at
 */
export const writeFinishedWatch = (root: Name, directory: Directory, proof: object): void =>
  inDirectory(root, directory, (folder) => {
    const temporary = fsPath(pathAt(folder, FINISHED_WATCH_TEMPORARY));
    rmSync(temporary, { force: true });
    const descriptor = openSync(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o644,
    );
    try {
      fchmodSync(descriptor, 0o644); // Whatever the umask: scripts of other users read it.
      const age = ageToKeep(folder);
      const content = age === undefined ? proof : { restored: new Date().toISOString(), ...proof };
      writeFileSync(descriptor, `${JSON.stringify(content)}\n`);
      if (age !== undefined) futimesSync(descriptor, age, age);
      fsyncSync(descriptor);
      renameSync(temporary, fsPath(pathAt(folder, FINISHED_WATCH)));
      // Its ctime is then not older than the folder's mtime, on any file system: what changes the folder later is a late file.
      fchmodSync(descriptor, 0o644);
    } finally {
      closeSync(descriptor);
    }
    fsyncSync(folder);
    const named = lstatSync(fsPath(`${root}/${directory.name}`), { bigint: true, throwIfNoEntry: false });
    if (isSame(named, directory)) return;
    rmSync(fsPath(pathAt(folder, FINISHED_WATCH)), { force: true });
    fsyncSync(folder);
    throw replaced();
  });

/** A directory that was brought back is as old as its marker says (lifecycle.ts): the proof goes on saying so. undefined: it was born before. */
const ageToKeep = (folder: number): Date | undefined => {
  const closed = lstatSync(fsPath(pathAt(folder, FINISHED_PARSE)), { bigint: true, throwIfNoEntry: false });
  const { birthtimeNs } = fstatSync(folder, { bigint: true });
  return closed !== undefined && isBroughtBack(birthtimeNs, closed.mtimeNs) ? closed.mtime : undefined;
};

/** Takes the proof away, durably: from here on the directory is unfinished, whatever happens next. */
export const removeFinishedWatch = (root: Name, directory: Directory): void =>
  inDirectory(root, directory, (folder) => {
    rmSync(fsPath(pathAt(folder, FINISHED_WATCH)), { force: true });
    fsyncSync(folder);
  });

const inDirectory = (root: Name, directory: Directory, use: (folder: number) => void): void =>
  inFolder(root, directory.name, (folder) => {
    if (!isSame(fstatSync(folder, { bigint: true }), directory)) throw replaced();
    use(folder);
  });

const isSame = (now: BigIntStats | undefined, { dev, ino }: Directory): boolean => now?.dev === dev && now.ino === ino;

const replaced = (): Error => Object.assign(new Error('it was replaced while it was sent'), { code: 'ESTALE' });
