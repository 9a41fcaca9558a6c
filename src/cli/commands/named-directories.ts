import { UserError } from '../../errors.ts';
import type { Config } from '../../config/config.ts';
import { plan, type DirectoryPlan } from '../../core/lifecycle.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import { LINKED_CURE, linkedDirectories } from '../../source/linked-directories.ts';
import { readRoot, type RootListing } from '../../source/root.ts';
import { showName, type Name } from '../../name.ts';
import { belowRoot } from './site-path.ts';

/** The directories of a site that the user means, and those of them that cannot be read. */
export interface NamedDirectories {
  readonly plans: readonly DirectoryPlan[];
  readonly unreadable: RootListing['unreadable'];
}

/**
 * The directories that the user named, all of them where none is named.
 * @throws UserError for one that does not belong to the site
 */
export const namedDirectories = (
  { root, tag, newest, exclude }: Config['source'],
  named: readonly string[],
): NamedDirectories => {
  const { directories, unreadable, links } = readRoot(root, tag, createIsExcluded(exclude));
  const plans = plan(directories, newest);
  if (named.length === 0) return { plans, unreadable };
  const known = new Set([...directories, ...unreadable].map(({ name }) => name));
  const wanted = new Set(named.map((argument) => nameOf(argument, known, root, links)));
  return {
    plans: plans.filter(({ directory }) => wanted.has(directory.name)),
    unreadable: unreadable.filter(({ name }) => wanted.has(name)),
  };
};

/**
 * The names of those that the user named. undefined: none is named, all are meant.
 * @param finished is called for each that is finished
 */
export const namesOf = (
  source: Config['source'],
  named: readonly string[],
  finished: (name: Name) => void = () => undefined,
): ReadonlySet<Name> | undefined => {
  if (named.length === 0) return undefined;
  const { plans, unreadable } = namedDirectories(source, named);
  for (const { phase, directory } of plans) if (phase === 'finished') finished(directory.name);
  return new Set([...plans.map(({ directory }) => directory.name), ...unreadable.map(({ name }) => name)]);
};

const nameOf = (argument: string, known: ReadonlySet<Name>, root: Name, links: RootListing['links']): Name => {
  const name = belowRoot(argument, root);
  if (name !== undefined && known.has(name)) return name;
  const linked = links.filter((link) => link === name);
  const message = linkedDirectories(root, linked);
  if (message !== undefined) throw new UserError(message, { hint: LINKED_CURE });
  throw new UserError(`Cannot use "${showName(argument)}": it is not a directory of the site below ${showName(root)}`, {
    hint: 'name an existing directory whose name begins with source.tag: by its path from here, or from the root',
  });
};
