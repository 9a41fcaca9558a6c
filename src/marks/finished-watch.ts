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
import { systemErrorCode } from '../errors.ts';
import { pathAt, inFolder } from '../source/open-beneath.ts';
import { isBroughtBack, type DirectorySnapshot } from '../core/lifecycle.ts';
import { FINISHED_PARSE, FINISHED_WATCH, FINISHED_WATCH_TEMPORARY } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';
import { readProof } from '../source/read-proof.ts';

type Directory = Pick<DirectorySnapshot, 'name' | 'dev' | 'ino'>;

/**
 * Writes `DIRECTORY/finished.watch`, durably and all at once: content on stable storage, then the name, then the folder that
 * holds the name. The parser may write the folder: what it put under our temporary name is removed, never written through. A
 * directory that got another name meanwhile keeps no proof: it would speak of files that no destination has under that name.
 * @throws Error where the directory is no longer the one that was looked at
 */
export const writeFinishedWatch = (root: Name, directory: Directory, proof: object): void =>
  inDirectory(root, directory, (folder) => {
    const age = ageToKeep(folder);
    writeProof(folder, age === undefined ? proof : { restored: new Date().toISOString(), ...proof }, { age });
    const named = lstatSync(fsPath(`${root}/${directory.name}`), { bigint: true, throwIfNoEntry: false });
    if (isSame(named, directory)) return;
    rmSync(fsPath(pathAt(folder, FINISHED_WATCH)), { force: true });
    fsyncSync(folder);
    throw replaced();
  });

/** One destination, as a proof names it: so many files were checked there. */
export interface CheckedDestination {
  readonly label: string;
  readonly checked: number;
}

/**
 * Names more destinations in the proof of a finished directory, as durably and all at once as `writeFinishedWatch`. All else that it says stays,
 * and its mtime, from which `prune` counts its age. A proof that is not ours (the empty file of the old tool) stays as it is.
 * @throws Error where the directory is no longer the one that was looked at, or no longer finished
 */
export const addToFinishedWatch = (root: Name, directory: Directory, added: readonly CheckedDestination[]): void =>
  inDirectory(root, directory, (folder) => {
    const { mtimeNs } = lstatSync(fsPath(pathAt(folder, FINISHED_WATCH)), { bigint: true });
    const proof = readProof(pathAt(folder, '.'));
    if (typeof proof !== 'object' || proof === null) return;
    const { destinations } = proof as { readonly destinations?: unknown };
    const labels = new Set(added.map(({ label }) => label));
    const kept = Array.isArray(destinations)
      ? (destinations as ({ readonly label?: string } | null)[]).filter((one) => !labels.has(one?.label ?? ''))
      : [];
    const { mtimeNs: folderNs } = fstatSync(folder, { bigint: true });
    writeProof(
      folder,
      { ...proof, destinations: [...kept, ...added] },
      { age: seconds(mtimeNs), folder: seconds(folderNs) },
    );
  });

const seconds = (ns: bigint): number => Number(ns) / 1e9;

/**
 * @param age the mtime that it gets; undefined: now
 * @param times.folder the mtime that its folder keeps while the new proof is written: a crash then makes no late directory of it
 */
const writeProof = (
  folder: number,
  content: object,
  times: { readonly age?: Date | number | undefined; readonly folder?: number },
): void => {
  const temporary = fsPath(pathAt(folder, FINISHED_WATCH_TEMPORARY));
  rmSync(temporary, { force: true });
  const descriptor = openSync(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o644,
  );
  try {
    if (times.folder !== undefined) keepTime(folder, times.folder);
    fchmodSync(descriptor, 0o644); // Whatever the umask: scripts of other users read it.
    writeFileSync(descriptor, `${JSON.stringify(content)}\n`);
    if (times.age !== undefined) futimesSync(descriptor, times.age, times.age);
    fsyncSync(descriptor);
    renameSync(temporary, fsPath(pathAt(folder, FINISHED_WATCH)));
    // Its ctime is then not older than the folder's mtime, on any file system: what changes the folder later is a late file.
    fchmodSync(descriptor, 0o644);
  } finally {
    closeSync(descriptor);
  }
  fsyncSync(folder);
};

/** Of a folder of another user's it cannot be kept. */
const keepTime = (folder: number, time: number): void => {
  try {
    futimesSync(folder, time, time);
  } catch (error) {
    if (systemErrorCode(error) !== 'EPERM') throw error;
  }
};

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
