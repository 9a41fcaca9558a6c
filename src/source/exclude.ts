import picomatch from 'picomatch';
import type { IsExcluded } from './scanner.ts';

/**
 * `source.exclude` (contract.md §6): a pattern without a slash is held against the last name of a path, at any depth; one
 * with a slash against the whole path below the directory.
 */
export const createIsExcluded = (patterns: readonly string[]): IsExcluded => {
  const [ofPath, ofName] = [
    patterns.filter((pattern) => pattern.includes('/')),
    patterns.filter((pattern) => !pattern.includes('/')),
  ];
  const matchesName = ofName.length > 0 ? picomatch(ofName, { dot: true }) : () => false;
  const matchesPath = ofPath.length > 0 ? picomatch(ofPath, { dot: true }) : () => false;
  return (path) => matchesName(path.slice(path.lastIndexOf('/') + 1)) || matchesPath(path);
};
