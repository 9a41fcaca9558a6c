import { lstatSync } from 'node:fs';
import { KEEPS_CHANGING } from '../core/closing.ts';
import { isSameDirectory, type DirectoryPlan, type DirectorySnapshot } from '../core/lifecycle.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';
import { isAsListed, type Listing } from './listing.ts';

/** Whether the folder under the directory's name is the one that was listed. */
export const isSameFolder = (root: Name, directory: DirectorySnapshot): boolean => {
  const now = lstatSync(fsPath(`${root}/${directory.name}`), { bigint: true, throwIfNoEntry: false });
  return isSameDirectory(now && { dev: now.dev, ino: now.ino, birthNs: now.birthtimeNs }, directory);
};

/** Is `finished.parse` there now? */
export const isClosedByParser = (root: Name, name: Name): boolean =>
  lstatSync(fsPath(`${root}/${name}/${FINISHED_PARSE}`), { throwIfNoEntry: false })?.isFile() === true;

/** What was planned may no longer be so: made again under the same name, the parser took its word back, or more was put into it. */
export const whyNotAsPlanned = (
  root: Name,
  { directory, closedBy }: DirectoryPlan,
  listing: Listing,
): string | undefined => {
  if (!isSameFolder(root, directory)) return 'it was replaced while it was sent';
  if (closedBy === 'parser' && !isClosedByParser(root, directory.name)) return 'finished.parse was taken away';
  if (!isAsListed(root, directory.name, listing)) return KEEPS_CHANGING;
  return undefined;
};

/** Whether a folder, this one or another, has the directory's name. */
export const isFolderThere = (root: Name, name: Name): boolean =>
  lstatSync(fsPath(`${root}/${name}`), { throwIfNoEntry: false })?.isDirectory() === true;
