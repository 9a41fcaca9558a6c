import { lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { fsPath, showName, type Name } from '../name.ts';

const MOST_NAMED = 5;

/** What to do about `linkedDirectories`. */
export const LINKED_CURE =
  'mount each one’s target there instead (an empty directory in place of the link, then mount --bind), or move the directory back';

/** A sentence if links stand in the root where directories of the site would be: nothing below them is ever sent. */
export const linkedDirectories = (root: Name, links: readonly Name[]): string | undefined => {
  if (links.length === 0) return undefined;
  const named = links.slice(0, MOST_NAMED).map((name) => `"${showName(name)}"`);
  const more = links.length > MOST_NAMED ? ` and ${links.length - MOST_NAMED} more` : '';
  const are = links.length === 1 ? 'is a symbolic link and is' : 'are symbolic links and are';
  return `${named.join(', ')}${more} in ${showName(root)} ${are} not followed: nothing there is sent`;
};

/** A link to a directory that the site does not have under another name, or to one that is not there now: on a disk that is not mounted. */
export const isLinkElsewhere = (root: Name, name: Name): boolean => {
  const path = fsPath(`${root}/${name}`);
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return false;
    if (!statSync(path).isDirectory()) return false;
    const [target, home] = [realpathSync(path), realpathSync(fsPath(root))];
    return dirname(target) !== home;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return true;
  }
};
