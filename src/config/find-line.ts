import { readFileSync } from 'node:fs';
import { defaultLoaders } from 'cosmiconfig';
import { ConfigError, valueAt } from '../core/config-problems.ts';
import { systemErrorCode } from '../errors.ts';

/** Places tried for one key: bounds the time for a file that is not what it should be. */
const MAX_PLACES = 100;
const MARKED = '-isocket-line';

/**
 * The line of a key in a file of YAML or JSON, from 1; for a key that is missing, that of its section. undefined where neither is
 * there. The parser itself says which place it is: the one that, renamed, takes the key out of its section.
 */
const findLine = (text: string, path: readonly string[]): number | undefined => {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const line = lineOfKey(text, path.slice(0, depth));
    if (line !== undefined) return line;
  }
  return undefined;
};

const lineOfKey = (text: string, path: readonly string[]): number | undefined => {
  const [key = '', section] = [path.at(-1), path.slice(0, -1)];
  if (key === '') return undefined;
  const escaped = key.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const places = [...text.matchAll(new RegExp(`${escaped}(?=["']?\\s*:)`, 'g'))].slice(0, MAX_PLACES);
  for (const { index } of places) {
    const end = index + key.length;
    const renamed = valueAt(parse(text.slice(0, end) + MARKED + text.slice(end)), section);
    if (
      typeof renamed === 'object' &&
      renamed !== null &&
      Object.hasOwn(renamed, key + MARKED) &&
      !Object.hasOwn(renamed, key)
    )
      return text.slice(0, index).split('\n').length;
  }
  return undefined;
};

const parse = (text: string): unknown => {
  try {
    return defaultLoaders['.yaml']('', text);
  } catch {
    return undefined; // Renamed within a text or a comment, as it may be, or no YAML.
  }
};

/** Runs `parse` on what is in the file; its problems get the lines that they are in. */
export const withLines = <T>(file: string, parseInput: () => T): T => {
  try {
    return parseInput();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const text = readText(file);
    throw new ConfigError(
      file,
      error.problems.map((problem) => {
        const line = problem.path === '' ? undefined : findLine(text, problem.path.split('.'));
        return line === undefined ? problem : { ...problem, line };
      }),
    );
  }
};

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return ''; // Removed since it was read.
  }
};
