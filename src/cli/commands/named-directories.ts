import { realpathSync } from 'node:fs';
import { dirname, basename, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import { fsPath, showName, type Name } from '../../name.ts';

/**
 * The directories that the user named, by name ("DC1") or by path; all of them where none is named.
 * @throws UserError for one that does not belong to the site
 */
export const namedDirectories = (
  plans: readonly DirectoryPlan[],
  named: readonly string[],
  root: Name,
): DirectoryPlan[] => {
  if (named.length === 0) return [...plans];
  const wanted = new Set(named.map((argument) => nameOf(argument, plans, root)));
  return plans.filter(({ directory }) => wanted.has(directory.name));
};

const nameOf = (argument: string, plans: readonly DirectoryPlan[], root: Name): Name => {
  const exists = (name: Name): boolean => plans.some(({ directory }) => directory.name === name);
  if (!argument.includes('/') && exists(argument)) return argument;
  const path = resolve(argument);
  if (real(dirname(path)) === real(root) && exists(basename(path))) return basename(path);
  throw new UserError(`Cannot use "${showName(argument)}": it is not a directory of the site below ${showName(root)}`, {
    hint: 'name an existing directory whose name begins with source.tag, by its name or its path',
  });
};

const real = (path: Name): string => {
  try {
    return realpathSync(fsPath(path));
  } catch {
    return path;
  }
};
