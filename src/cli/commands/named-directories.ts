import { UserError } from '../../errors.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import { showName, type Name } from '../../name.ts';
import { belowRoot } from './site-path.ts';

/**
 * The directories that the user named, all of them where none is named.
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
  const name = belowRoot(argument, root);
  if (name !== undefined && plans.some(({ directory }) => directory.name === name)) return name;
  throw new UserError(`Cannot use "${showName(argument)}": it is not a directory of the site below ${showName(root)}`, {
    hint: 'name an existing directory whose name begins with source.tag: by its path from here, or from the root',
  });
};
