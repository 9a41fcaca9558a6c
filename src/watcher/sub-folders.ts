import { lstatSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { decodeName, fsPath, type Name } from '../name.ts';
import { isFolder, readFolder } from '../source/scanner.ts';

/** The names of the folders in a folder; empty if it vanished or cannot be read. */
export const subFolders = (folder: Name): Name[] => {
  const found: Name[] = [];
  try {
    for (const entry of readFolder(folder)) {
      const name = decodeName(entry.name);
      if (isFolder(entry, `${folder}/${name}`)) found.push(name);
    }
  } catch (error) {
    // The listing that follows meets the same error and reports it.
    if (systemErrorCode(error) === undefined) throw error;
  }
  return found;
};

/** Of a folder; undefined for what is none, and where the disk does not say (a dead mount): the listing that follows tells why. */
export const inodeOfFolder = (path: Name): bigint | undefined => {
  try {
    const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
    return stats?.isDirectory() === true ? stats.ino : undefined;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
};
