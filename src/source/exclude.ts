import picomatch from 'picomatch';
import type { IsExcluded } from './scanner.ts';

/**
 * `source.exclude` (contract.md §6): a pattern without a slash is matched against the last name of a path, at any depth; a
 * pattern with a slash against the whole path below the directory.
 */
export const createIsExcluded = (patterns: readonly string[]): IsExcluded => {
  const [pathPatterns, namePatterns] = [
    patterns.filter((pattern) => pattern.includes('/')),
    patterns.filter((pattern) => !pattern.includes('/')),
  ];
  const matchesName = namePatterns.length > 0 ? picomatch(namePatterns, { dot: true }) : () => false;
  const matchesPath = pathPatterns.length > 0 ? picomatch(pathPatterns, { dot: true }) : () => false;
  return (path) => matchesName(path.slice(path.lastIndexOf('/') + 1)) || matchesPath(path);
};
