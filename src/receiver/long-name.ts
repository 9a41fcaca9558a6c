import { constants, type Stats } from 'node:fs';
import type { Name } from '../name.ts';

const TYPE_LETTERS = new Map([
  [constants.S_IFDIR, 'd'],
  [constants.S_IFREG, '-'],
  [constants.S_IFLNK, 'l'],
  [constants.S_IFIFO, 'p'],
  [constants.S_IFSOCK, 's'],
  [constants.S_IFCHR, 'c'],
  [constants.S_IFBLK, 'b'],
]);

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const HALF_A_YEAR_MS = 182 * 24 * 3600 * 1000;

/** The line that `ls -ln` prints: some clients (lftp, old FileZilla) parse it. Owners are numeric. */
export const longName = (name: Name, stats: Stats, now: number): Name => {
  const { mode, nlink, uid, gid, size } = stats;
  const links = String(nlink).padStart(4);
  const owners = `${String(uid).padEnd(8)} ${String(gid).padEnd(8)}`;
  return `${modeLetters(mode)} ${links} ${owners} ${String(size).padStart(8)} ${dateOf(stats.mtime, now)} ${name}`;
};

const modeLetters = (mode: number): string => {
  const type = TYPE_LETTERS.get(mode & constants.S_IFMT) ?? '?';
  return (
    type +
    triple(mode >> 6, (mode & 0o4000) !== 0, 's') +
    triple(mode >> 3, (mode & 0o2000) !== 0, 's') +
    triple(mode, (mode & 0o1000) !== 0, 't')
  );
};

const triple = (bits: number, special: boolean, letter: string): string => {
  const execute = (bits & 1) !== 0;
  const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
};

const dateOf = (date: Date, now: number): string => {
  const two = (value: number): string => String(value).padStart(2, '0');
  const recent = Math.abs(now - date.getTime()) < HALF_A_YEAR_MS;
  const end = recent ? `${two(date.getHours())}:${two(date.getMinutes())}` : String(date.getFullYear()).padStart(5);
  return `${MONTHS[date.getMonth()] ?? '???'} ${String(date.getDate()).padStart(2)} ${end}`;
};
