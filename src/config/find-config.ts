import { lstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { defaultLoaders } from 'cosmiconfig';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';

/** The names a configuration may have, the first one first. */
export const CONFIG_NAMES = ['.isocketrc', '.isocketrc.yaml', '.isocketrc.yml', '.isocketrc.json'];

export interface FindOptions {
  /** `--config` */
  readonly flag?: string;
  /** `ISOCKET_CONFIG`; an empty one counts as not set. */
  readonly env?: string;
  readonly cwd: string;
  readonly home: string;
  /** Default: `/etc/isocket`. */
  readonly etc?: string;
}

/** A configuration file and what stands in it. */
export interface FoundConfig {
  /** Absolute. */
  readonly path: string;
  /** undefined: nothing stands in it. */
  readonly input: unknown;
}

/**
 * Finds the site's configuration: the file named, or the first from the working directory upward, then in `~/.config/isocket/`,
 * then in `/etc/isocket/`. Only data is read, never code.
 * @throws UserError where there is none, or it cannot be read
 */
export const findConfig = async ({ flag, env, cwd, home, etc = '/etc/isocket' }: FindOptions): Promise<FoundConfig> => {
  const named = flag ?? (env === '' ? undefined : env);
  if (named === '') throw new UserError('Cannot read configuration "": no file is named', { hint: 'correct --config' });
  if (named !== undefined) return load(resolve(cwd, named));
  const personal = join(home, '.config/isocket');
  const closed: string[] = [];
  for (const folder of [...upward(resolve(cwd)), personal, etc]) {
    const path = firstIn(folder, closed);
    if (path !== undefined) return load(path);
  }
  const unseen = closed.length === 0 ? '' : ` (may not look into ${closed.join(', ')})`;
  throw new UserError(
    `Cannot find a configuration: no .isocketrc in ${cwd} or above, in ${personal} or in ${etc}${unseen}`,
    { hint: 'write one with "isocket init", or name a file with --config' },
  );
};

const upward = (folder: string): string[] => {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...upward(parent)];
};

/** A link that leads nowhere counts: passing over it would take another site's file. A folder that is closed to us goes to `closed`. */
const firstIn = (folder: string, closed: string[]): string | undefined => {
  try {
    return CONFIG_NAMES.map((name) => join(folder, name)).find(
      (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined,
    );
  } catch (error) {
    // A job of cron or sudo may have a HOME that it may not enter.
    if (systemErrorCode(error) !== 'EACCES') throw unreadable(folder, error);
    closed.push(folder);
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
    // A file that is not UTF-8 would name other paths than its author sees.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
    return { path, input: parse(path, text) };
  } catch (error) {
    throw unreadable(path, error);
  }
};

/**
 * With cosmiconfig's parsers alone: its explorer runs a `.config/config.js` of the working directory as soon as it is made, keeps its
 * loaders for code beside the ones it is given, and follows `$import` to them.
 */
const parse = (path: string, text: string): unknown => {
  if (text.split('\n').every((line) => /^\s*(?:#|$)/.test(line))) return undefined;
  if (extname(path) !== '.json') return defaultLoaders['.yaml'](path, text) ?? undefined;
  const input: unknown = defaultLoaders['.json'](path, text) ?? undefined;
  // JSON.parse takes the last of two equal keys in silence. YAML minds them.
  try {
    defaultLoaders['.yaml'](path, text);
  } catch (error) {
    if (reasonOf(error).includes('duplicated')) throw error;
  }
  return input;
};

/** What a js-yaml error says, without the file and the excerpt. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && 'reason' in error && typeof error.reason === 'string' ? error.reason : '';

/** "line 3, column 1: " where a js-yaml error knows. */
const placeOf = (error: unknown): string => {
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
      return because('it is not there', 'correct --config or ISOCKET_CONFIG, or the link if it is one');
    case 'EACCES':
      return because('permission denied', 'let the user that runs isocket read it');
    case 'EISDIR':
      return because('it is a directory', 'name the file in it');
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return because('it is not UTF-8 text', 'save it as UTF-8');
    default: {
      const reason = reasonOf(error) || errorMessage(error).replace(/^JSON Error in .*:\n/, '');
      return because(placeOf(error) + reason, 'correct it there: YAML, or JSON where the name ends in .json');
    }
  }
};
