import { lstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { defaultLoaders } from 'cosmiconfig';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';
import { distrust } from './trusted-file.ts';

/** The names of a configuration, in order of precedence. */
export const CONFIG_NAMES = ['.isocketrc', '.isocketrc.yaml', '.isocketrc.yml', '.isocketrc.json'];

export interface FindOptions {
  /** `--config` */
  readonly flag?: string;
  /** `ISOCKET_CONFIG`; an empty one counts as not set. */
  readonly env?: string;
  readonly cwd: string;
  /** undefined: the user has none. */
  readonly home: string | undefined;
  /** Default: `/etc/isocket`. */
  readonly etc?: string;
}

/** A configuration file and its content. */
export interface FoundConfig {
  /** Absolute. */
  readonly path: string;
  /** undefined: the file is empty. */
  readonly input: unknown;
}

/**
 * Finds the site's configuration: the file named, or the first from the working directory upward, then in `~/.config/isocket/`,
 * then in `/etc/isocket/`. Only data is read, never code. What is found, and not named, belongs to the caller or root.
 * @throws UserError where there is none, or it cannot be read
 */
export const findConfig = async ({ flag, env, cwd, home, etc = '/etc/isocket' }: FindOptions): Promise<FoundConfig> => {
  const named = flag ?? (env === '' ? undefined : env);
  if (named === '') throw new UserError('Cannot read configuration "": no file is named', { hint: 'correct --config' });
  if (named !== undefined) return load(resolve(cwd, named));
  const personal = home === undefined ? [] : [join(home, '.config/isocket')];
  const inaccessible: string[] = [];
  for (const folder of [...upward(resolve(cwd)), ...personal, etc]) {
    const path = firstIn(folder, inaccessible);
    if (path === undefined) continue;
    refuseStrangers(path);
    return load(path);
  }
  const note = inaccessible.length === 0 ? '' : ` (no permission to read ${inaccessible.join(', ')})`;
  throw new UserError(
    `Cannot find a configuration: no .isocketrc in ${cwd} or above, in ${[...personal, etc].join(' or in ')}${note}`,
    { hint: 'write one with "isocket init", or name a file with --config' },
  );
};

const upward = (folder: string): string[] => {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...upward(parent)];
};

/** A file that is named is the caller's own choice; one that was found may be anybody's. @throws UserError */
const refuseStrangers = (path: string): void => {
  let because: string | undefined;
  try {
    because = distrust(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (because === undefined) return;
  throw new UserError(`Cannot use configuration "${path}", which was found and not named: ${because}`, {
    hint: `if it is the one you mean: isocket --config ${path} …; else work in another folder, or let you or root alone own and write it`,
  });
};

/** A dangling link counts: skipping it would use another site's file. A folder without access goes into `inaccessible`. */
const firstIn = (folder: string, inaccessible: string[]): string | undefined => {
  try {
    return CONFIG_NAMES.map((name) => join(folder, name)).find(
      (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined,
    );
  } catch (error) {
    // Under cron or sudo, HOME may be a folder that this user cannot enter.
    if (systemErrorCode(error) !== 'EACCES') throw unreadable(folder, error);
    inaccessible.push(folder);
    return undefined;
  }
};

const CODE = /^\.[cm]?[jt]s$/;

const load = async (path: string): Promise<FoundConfig> => {
  if (CODE.test(extname(path))) {
    throw new UserError(`Cannot read configuration "${path}": it is a program`, {
      hint: 'name a file of YAML or JSON: isocket never runs a configuration',
    });
  }
  try {
    // In a file that is not UTF-8, paths would differ from what its author sees.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
    return { path, input: parse(path, text) };
  } catch (error) {
    throw unreadable(path, error);
  }
};

/**
 * Uses only cosmiconfig's parsers: its explorer runs `.config/config.js` of the working directory when it is created, keeps its loaders
 * for code beside the given ones, and follows `$import` to them.
 */
const parse = (path: string, text: string): unknown => {
  if (text.split('\n').every((line) => /^\s*(?:#|$)/.test(line))) return undefined;
  if (extname(path) !== '.json') return defaultLoaders['.yaml'](path, text) ?? undefined;
  const input: unknown = defaultLoaders['.json'](path, text) ?? undefined;
  // JSON.parse silently takes the last of duplicate keys; the YAML parser reports them.
  try {
    defaultLoaders['.yaml'](path, text);
  } catch (error) {
    if (reasonOf(error).includes('duplicated')) throw error;
  }
  return input;
};

/** The message of a js-yaml error, without the file and the excerpt. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && 'reason' in error && typeof error.reason === 'string' ? error.reason : '';

/** "line 3, column 1: " where a js-yaml error has a position. */
const positionOf = (error: unknown): string => {
  const mark = error instanceof Error && 'mark' in error ? error.mark : undefined;
  if (typeof mark !== 'object' || mark === null || !('line' in mark) || !('column' in mark)) return '';
  return `line ${Number(mark.line) + 1}, column ${Number(mark.column) + 1}: `;
};

const unreadable = (path: string, error: unknown): UserError => {
  const because = (state: string, hint: string): UserError =>
    new UserError(`Cannot read configuration "${path}": ${state}`, { hint, cause: error });
  switch (systemErrorCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return because(
        'it is not there',
        'correct --config or ISOCKET_CONFIG, or the link if it is one; or write it: isocket --config FILE init',
      );
    case 'EACCES':
      return because('permission denied', 'let the user that runs isocket read it');
    case 'EISDIR':
      return because('it is a directory', 'name the file in it');
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return because('it is not UTF-8 text', 'save it as UTF-8');
    default: {
      const reason = reasonOf(error) || errorMessage(error).replace(/^JSON Error in .*:\n/, '');
      return because(positionOf(error) + reason, 'correct it there: YAML, or JSON where the name ends in .json');
    }
  }
};
