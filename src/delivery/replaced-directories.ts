import type { Config } from '../config/config.ts';
import { plan, type DirectoryPlan, type DirectorySnapshot } from '../core/lifecycle.ts';
import { systemErrorCode } from '../errors.ts';
import type { Name } from '../name.ts';
import { readRoot } from '../source/root.ts';
import type { IsExcluded } from '../source/scanner.ts';
import { isSameFolder } from './still-as-planned.ts';

/** One that cannot be looked at was told as that. */
const isReplaced = (root: Name, directory: DirectorySnapshot): boolean => {
  try {
    return !isSameFolder(root, directory);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
};

/**
 * Of closed directories that were left unfinished: those that are another folder now than when they were planned. An overlay gives a folder
 * another inode with the first change in it, which is our first mark.
 */
export const replacedDirectories = (
  left: readonly DirectoryPlan[],
  { root, tag, newest }: Config['source'],
  isExcluded: IsExcluded,
): DirectoryPlan[] => {
  const replaced = left.filter(({ phase, directory }) => phase === 'closed' && isReplaced(root, directory));
  if (replaced.length === 0) return []; // The root is not listed for nothing.
  const now = new Map(
    plan(readRoot(root, tag, isExcluded).directories, newest).map((one) => [one.directory.name, one]),
  );
  return replaced.flatMap(({ directory }) => {
    const one = now.get(directory.name);
    return one?.phase === 'closed' ? one : [];
  });
};
