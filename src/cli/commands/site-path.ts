import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fsPath, type Name } from '../../name.ts';

/**
 * What a user names on a command line, directory or file, as a path from the root ("DC1", "DC1/sub/file"). A path from the working
 * directory counts if it is there and leads below the root, through links on the way too; else it is one from the root. undefined: it
 * is neither.
 */
export const belowRoot = (argument: Name, root: Name, cwd: Name = process.cwd()): Name | undefined => {
  const fromHere = relativeTo(root, resolve(cwd, argument));
  const fromRoot = argument.startsWith('/') ? undefined : relativeTo(root, resolve(root, argument));
  if (fromHere !== undefined && isThere(`${root}/${fromHere}`)) return fromHere;
  if (fromRoot !== undefined && !argument.startsWith('.')) return fromRoot;
  return fromHere;
};

/** undefined outside the root, and for the root itself. */
const relativeTo = (root: Name, path: Name): Name | undefined => {
  if (path.startsWith(`${root}/`)) return path.slice(root.length + 1);
  const [folder, realRoot] = [realPath(dirname(path)), realPath(root)];
  const real = `${folder ?? ''}/${basename(path)}`;
  return folder !== undefined && realRoot !== undefined && real.startsWith(`${realRoot}/`)
    ? real.slice(realRoot.length + 1)
    : undefined;
};

const isThere = (path: Name): boolean => {
  try {
    return lstatSync(fsPath(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // Who names it learns why it cannot be used.
  }
};

const realPath = (path: Name): Name | undefined => {
  try {
    return realpathSync(fsPath(path));
  } catch {
    return undefined;
  }
};
