import { systemErrorCode } from '../errors.ts';
import { decodeName, type Name } from '../name.ts';
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
