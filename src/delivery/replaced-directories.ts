import type { Config } from '../config/config.ts';
import { isSameDirectory, plan, type DirectoryPlan } from '../core/lifecycle.ts';
import { readRoot } from '../source/root.ts';
import type { IsExcluded } from '../source/scanner.ts';

/**
 * Of closed directories that were left unfinished: those that are another folder now than when they were planned. An overlay gives a folder
 * another inode with the first change in it, which is our first mark.
 */
export const replacedDirectories = (
  left: readonly DirectoryPlan[],
  { root, tag, newest }: Config['source'],
  isExcluded: IsExcluded,
): DirectoryPlan[] => {
  const closed = left.filter(({ phase }) => phase === 'closed');
  if (closed.length === 0) return [];
  const now = new Map(
    plan(readRoot(root, tag, isExcluded).directories, newest).map((one) => [one.directory.name, one]),
  );
  return closed.flatMap(({ directory }) => {
    const one = now.get(directory.name);
    return one?.phase !== 'closed' || isSameDirectory(one.directory, directory) ? [] : one;
  });
};
