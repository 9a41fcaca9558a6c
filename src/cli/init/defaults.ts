import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Usual roots of parsers. */
const ROOTS = ['/datas', '/data', '/srv/datas', '/srv/data'];
const KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** The first of the usual roots that exists; undefined where none does. */
export const findRoot = (roots: readonly string[] = ROOTS): string | undefined => roots.find(isFolder);

/** The common prefix of the directories' names: "DC1", "DC2" → "DC". "" where there is none. */
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

/** The user's first private key that exists; else the path where one would be created. */
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
