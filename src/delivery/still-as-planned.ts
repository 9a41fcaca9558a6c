import { lstatSync } from 'node:fs';
import { isSameDirectory, type DirectoryPlan } from '../core/lifecycle.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';

/** What was planned may no longer be so: made again under the same name, or the parser took its word back. */
export const whyNotAsPlanned = (root: Name, { directory, closedBy }: DirectoryPlan): string | undefined => {
  const path = `${root}/${directory.name}`;
  const now = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  if (!isSameDirectory(now && { dev: now.dev, ino: now.ino, birthNs: now.birthtimeNs }, directory))
    return 'it was replaced while it was sent';
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
