import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { systemErrorCode, UserError } from '../../errors.ts';
import { decodeName, encodeName, fsPath, showName, type Name } from '../../name.ts';
import { cannotKeep } from './local-errors.ts';

/** Of a directory, in the folder to which it is brought back. It stays where a restore is cut off: the next one goes on with it. */
export const workFolderName = (directory: Name): Name =>
  `.isocket-restore-${createHash('sha256').update(encodeName(directory)).digest('hex').slice(0, 16)}.part`;

/**
 * Makes the work folder with one folder in it.
 * @throws UserError where it cannot be made, or somebody else can write it
 */
export const makeWorkFolder = (base: Name, directory: Name, inside: Name): Name => {
  const folder = `${base}/${workFolderName(directory)}`;
  // What is within may become the directory itself, which others read: it is made as any folder of it.
  for (const [path, mode] of [[folder, 0o700] as const, [`${folder}/${inside}`, 0o777] as const]) {
    try {
      mkdirSync(fsPath(path), { mode });
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw cannotKeep(base, error);
    }
  }
  const stats = lstatSync(fsPath(folder));
  if (stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o022) === 0) return folder;
  throw new UserError(
    `Cannot use "${showName(folder)}", in which a restore keeps what is not whole: it is not ours alone`,
    {
      hint: 'remove it, if nobody needs it',
    },
  );
};

/** Leaves what a later restore goes on with: files, and the folders in which they are. */
export const removeEmptyWorkFolder = (base: Name, directory: Name, inside: readonly Name[]): void => {
  const folder = `${base}/${workFolderName(directory)}`;
  for (const name of inside) removeEmptyFolders(`${folder}/${name}`);
  unlessRefused(() => rmdirSync(fsPath(folder)));
};

/** Whatever a transport made there. */
const removeEmptyFolders = (path: Name): void =>
  unlessRefused(() => {
    for (const entry of readdirSync(fsPath(path), { withFileTypes: true, encoding: 'buffer' }))
      if (entry.isDirectory()) removeEmptyFolders(`${path}/${decodeName(entry.name)}`);
    rmdirSync(fsPath(path));
  });

const unlessRefused = (act: () => void): void => {
  try {
    act();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
};

export const removeWorkFolder = (base: Name, directory: Name): void =>
  rmSync(fsPath(`${base}/${workFolderName(directory)}`), { recursive: true, force: true });
