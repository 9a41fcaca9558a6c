import { lstatSync } from 'node:fs';
import { isSameDirectory, type DirectoryPlan, type DirectorySnapshot } from '../core/lifecycle.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';

/** Whether the folder under the directory's name is the one that was listed. */
export const isSameFolder = (root: Name, directory: DirectorySnapshot): boolean => {
  const now = lstatSync(fsPath(`${root}/${directory.name}`), { bigint: true, throwIfNoEntry: false });
  return isSameDirectory(now && { dev: now.dev, ino: now.ino, birthNs: now.birthtimeNs }, directory);
};

/** What was planned may no longer be so: made again under the same name, or the parser took its word back. */
export const whyNotAsPlanned = (root: Name, { directory, closedBy }: DirectoryPlan): string | undefined => {
  const path = `${root}/${directory.name}`;
  if (!isSameFolder(root, directory)) return 'it was replaced while it was sent';
  if (
    closedBy === 'parser' &&
    lstatSync(fsPath(`${path}/${FINISHED_PARSE}`), { throwIfNoEntry: false }) === undefined
  ) {
    return 'finished.parse was taken away';
  }
  return undefined;
};

/** Whether a folder, this one or another, has the directory's name. */
export const isFolderThere = (root: Name, name: Name): boolean =>
  lstatSync(fsPath(`${root}/${name}`), { throwIfNoEntry: false })?.isDirectory() === true;
