import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Where parsers tend to put their directories. */
const ROOTS = ['/datas', '/data', '/srv/datas', '/srv/data'];
const KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** The first of the usual roots that is there; undefined where none is. */
export const findRoot = (roots: readonly string[] = ROOTS): string | undefined => roots.find(isFolder);

/** The beginning that the directories' names share: "DC1", "DC2" → "DC". "" where they share none. */
export const guessTag = (names: readonly string[]): string => {
  const stems = new Set(names.filter((name) => /\d$/.test(name)).map((name) => name.replace(/[\d._-]+$/, '')));
  const [only = ''] = stems;
  return stems.size === 1 ? only : '';
};

export const foldersIn = (root: string): string[] =>
  isFolder(root)
    ? readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() && !entry.name.startsWith('.') ? [entry.name] : [],
      )
    : [];

/** The first private key of the user's that is there; else where one would be made. */
export const findKey = (home: string): string => {
  const found = KEYS.find((name) => existsSync(join(home, '.ssh', name)));
  return `~/.ssh/${found ?? 'id_ed25519'}`;
};

/** `/etc/isocket/ED1/.isocketrc` is the configuration of a service: its site is ED1. undefined for any other place. */
export const serviceSite = (configPath: string): string | undefined => {
  const folder = dirname(configPath);
  return dirname(folder) === '/etc/isocket' ? basename(folder) : undefined;
};

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
