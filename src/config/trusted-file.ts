import { lstatSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { userName } from '../host/user-name.ts';

/** What helps where a configuration is not obeyed in everything. */
export const TRUST_CURE = 'let you or root alone own and write it and its folder, or run isocket as its owner';

/**
 * Why what a file says must not be obeyed unasked, as "it belongs to user parser"; undefined: it may be. As git's `safe.directory`: the
 * file, the link that leads to it and its folder belong to the caller, to root or to one of `also`, and nobody else can write them.
 * In a folder with the sticky bit others can add files, and not replace this one.
 */
export const distrust = (path: string, also: readonly number[] = []): string | undefined => {
  const trusted = [process.geteuid?.() ?? 0, 0, ...also];
  const folder = dirname(path);
  return (
    distrustOne('it', lstatSync(path), trusted) ??
    distrustOne('it', statSync(path), trusted) ??
    distrustOne(`its folder ${folder}`, statSync(folder), trusted)
  );
};

const distrustOne = (what: string, stats: Stats, trusted: readonly number[]): string | undefined => {
  if (!trusted.includes(stats.uid)) return `${what} belongs to user ${userName(stats.uid)}`;
  const isExempt = stats.isSymbolicLink() || (stats.isDirectory() && (stats.mode & 0o1000) !== 0);
  return (stats.mode & 0o022) !== 0 && !isExempt ? `${what} can be written by other users` : undefined;
};
