import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { UserError } from '../errors.ts';

/** One problem of a configuration. */
export interface ConfigProblem {
  /** "source.settle"; of an entry of a list with its place from 0, "destination.1.host" */
  readonly path: string;
  /** What stands there; undefined: nothing. */
  readonly found: unknown;
  /** "a duration such as 2s" */
  readonly expected: string;
  /** A plug-in's own message, shown in place of `found` and `expected`. */
  readonly message?: string;
  /** In the file, from 1. */
  readonly line?: number;
}

/** Every problem of a configuration, reported at once. Exit code 2. */
export class ConfigError extends UserError {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super(`Cannot use ${file}: ${count}\n${problems.map(showProblem).join('\n')}`, {
      hint: 'correct it there; in an empty folder "isocket init" writes a configuration with every key and its default',
    });
    this.problems = problems;
  }
}

/** Lists of a configuration. A section may have any key that is not there, a number too. */
const ENTRY = /^(destination|source\.exclude|receive\.hostKey)\.(\d+)(?:\.(?=.)|$)/;

/** For people, who count from 1 as `--from`, `fill` and `check` do: "destination.1.host" is "destination 2: host". */
export const showPath = (path: string): string =>
  path.replace(
    ENTRY,
    (entry, list: string, place: string) => `${list} ${Number(place) + 1}${entry.endsWith('.') ? ': ' : ''}`,
  );

const showProblem = ({ path, found, expected, message, line }: ConfigProblem): string => {
  const at = line === undefined ? '  ' : `  line ${line}: `;
  if (message !== undefined) return `${at}${showPath(path)}: ${message.replaceAll('\n', '\n  ')}`;
  const value = found === undefined ? 'is missing' : `is ${JSON.stringify(found)}`;
  return `${at}${path === '' ? 'the file' : showPath(path)} ${value}: expected ${expected}`;
};

const MOST_SHOWN = 200;

/** A long text, or one of several lines, is no word that was misspelt: a key that was pasted, maybe. */
const shown = (found: unknown): unknown =>
  typeof found === 'string' && (found.length > MOST_SHOWN || found.trim().includes('\n'))
    ? `(${found.length} characters)`
    : found;

/** A key that isocket does not have, and others do: what stands there is told to nobody. */
const isSecret = (key: string): boolean => /pass|secret|token|credential|private|ping(?!every)/i.test(key);
const NOT_SHOWN = '(not shown)';

/** The word that was probably meant; undefined where none is within so many letters. */
export const meantWord = (word: string, known: readonly string[], letters: number): string | undefined => {
  const [first] = known;
  if (first === undefined) return undefined;
  const nearest = closest(word, known);
  return distance(word, nearest) <= letters ? nearest : undefined;
};

/** What to write in place of an unknown key. */
export const expectedKey = (key: string, known: readonly string[]): string => {
  const meant = meantWord(key, known, Math.max(2, Math.floor(key.length / 3)));
  return `a known key${meant === undefined ? '' : `, perhaps "${meant}"`} (known: ${known.join(', ')})`;
};

/** The value at a path of the input. */
export const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );

/** zod issues → problems, one for each unknown key. */
export const problemsOf = (error: z.ZodError, input: unknown, schema: z.ZodType): ConfigProblem[] =>
  error.issues.flatMap((issue): ConfigProblem[] => {
    const path = issue.path.join('.');
    const whole = valueAt(input, issue.path);
    const found = isSecret(String(issue.path.at(-1) ?? '')) ? NOT_SHOWN : whole;
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schema, issue.path);
      return issue.keys.map((key) => ({
        path: path === '' ? key : `${path}.${key}`,
        found: isSecret(key) ? NOT_SHOWN : shown(valueAt(whole ?? input, [key])),
        expected: expectedKey(key, known),
      }));
    }
    // A schema's own message never begins with zod's "Invalid".
    if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid'))
      return [{ path, found: shown(found), expected: `one of ${issue.values.join(', ')}` }];
    return [
      { path, found: shown(found), expected: issue.message.replace(/^Invalid input: expected ([^,]+).*$/, '$1') },
    ];
  });

/** The keys of the object schema at a path. */
const knownKeys = (schema: z.ZodType, path: readonly PropertyKey[]): string[] => {
  let at: unknown = schema;
  const inner = (): unknown => valueAt(at, ['def', 'innerType']);
  for (const key of [...path, undefined]) {
    while (inner() !== undefined) at = inner();
    if (key === undefined) break;
    at = valueAt(at, ['shape', key]);
  }
  const shape = valueAt(at, ['shape']);
  return typeof shape === 'object' && shape !== null ? Object.keys(shape) : [];
};
