import { ConfigError, expectedKey, meantWord, valueAt, type ConfigProblem } from '../core/config-problems.ts';
import { UserError } from '../errors.ts';
import type { TransportPlugin } from '../transport.ts';
import type { Destination } from './config.ts';
import { sameDestinations } from './same-destination.ts';

export interface ParseContext {
  /** The file, for messages. */
  readonly path: string;
  readonly hostname: string;
  readonly transport: (name: string) => TransportPlugin | undefined;
  readonly transportNames: readonly string[];
}

const SECTION = 'a section with "transport", or a list of them';

/** The section `destination`, each by its transport. Pure; what is wrong goes to `problems`. */
export const parseDestinations = (input: unknown, context: ParseContext, problems: ConfigProblem[]): Destination[] => {
  // A file that is not a section has one problem, which is reported already.
  if (Array.isArray(input) || (typeof input !== 'object' && input !== undefined)) return [];
  const section = valueAt(input, ['destination']);
  if (!Array.isArray(section)) return parseDestination(section, 0, 'destination', context, problems);
  if (section.length === 0) problems.push({ path: 'destination', found: section, expected: SECTION });
  const placed = section.flatMap((one: unknown, index) => {
    const at = `destination.${index}`;
    return parseDestination(one, index, at, context, problems).map((destination) => ({ at, destination }));
  });
  const tag = valueAt(input, ['source', 'tag']);
  problems.push(...sameDestinations(placed, typeof tag === 'string' ? tag : ''));
  return placed.map(({ destination }) => destination);
};

/** The places of the destinations that are best effort; one at least is none. */
export const bestEffortOf = (input: unknown, problems: ConfigProblem[]): ReadonlySet<number> => {
  const section = valueAt(input, ['destination']);
  const sections: readonly unknown[] = Array.isArray(section) ? section : [section];
  const places = new Set<number>();
  for (const [index, one] of sections.entries()) {
    const required = valueAt(one, ['required']);
    if (required === false) places.add(index);
    const path = `destination.${Array.isArray(section) ? `${index}.` : ''}required`;
    if (required !== undefined && typeof required !== 'boolean')
      problems.push({ path, found: required, expected: 'true or false' });
  }
  if (places.size === sections.length && places.size > 0) {
    const message = 'one destination at least must be required: a file is marked when the required ones have it';
    problems.push({ path: 'destination', found: undefined, expected: 'a required destination', message });
  }
  return places;
};

const parseDestination = (
  given: unknown,
  place: number,
  path: string,
  context: ParseContext,
  problems: ConfigProblem[],
): Destination[] => {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    problems.push({ path, found: given, expected: SECTION });
    return [];
  }
  // Not the transport's: what it is to the site says nothing of which one it is.
  const section = Object.fromEntries(Object.entries(given).filter(([key]) => key !== 'required'));
  const name = valueAt(section, ['transport']);
  try {
    const plugin = typeof name === 'string' ? context.transport(name) : undefined;
    if (plugin !== undefined)
      return [{ plugin, options: plugin.parseOptions({ ...section }), identity: identityOf(section), place }];
    problems.push(...unknownTransport(section, path, context));
  } catch (error) {
    problems.push(...optionProblems(error, section, path));
  }
  return [];
};

/** What a plug-in says of its section, or of itself. */
const optionProblems = (error: unknown, section: object, path: string): ConfigProblem[] => {
  if (!(error instanceof UserError)) throw error;
  if (error instanceof ConfigError)
    return error.problems.map((problem) => ({ ...problem, path: `${path}.${problem.path}` }));
  const hint = error.hint === undefined ? '' : `\n${error.hint}`;
  return [{ path, found: section, expected: 'what its transport expects', message: `${error.message}${hint}` }];
};

const TRANSPORT = 'transport';
/** Letters by which a word may differ from the one that was meant. */
const [MISSPELT_KEY, MISSPELT_TRANSPORT] = [3, 2];

/** A transport that is not named, or not known: told with what is wrong in its section if the one that is meant is clear. */
const unknownTransport = (
  section: object,
  path: string,
  { transport, transportNames }: ParseContext,
): ConfigProblem[] => {
  const name = valueAt(section, [TRANSPORT]);
  const misspelt = name === undefined ? keyMeaning(TRANSPORT, section) : undefined;
  const named = misspelt === undefined ? name : valueAt(section, [misspelt]);
  const meant = typeof named === 'string' ? meantWord(named, transportNames, MISSPELT_TRANSPORT) : undefined;
  const known = `one of ${transportNames.join(', ')}, the name of an installed package, or a path such as ./my-transport.mjs`;
  const perhaps = meant === undefined || meant === named ? '' : `perhaps "${meant}"; `;
  const problem =
    misspelt === undefined
      ? { path: `${path}.${TRANSPORT}`, found: name, expected: `${perhaps}${known}` }
      : { path: `${path}.${misspelt}`, found: named, expected: expectedKey(misspelt, [TRANSPORT]) };
  const rest = Object.fromEntries(Object.entries(section).filter(([key]) => key !== misspelt));
  try {
    if (meant !== undefined) transport(meant)?.parseOptions({ ...rest, transport: meant });
    return [problem];
  } catch (error) {
    return [problem, ...optionProblems(error, section, path)];
  }
};

/** The key of a section that was probably meant to be this one. */
const keyMeaning = (wanted: string, section: object): string | undefined =>
  meantWord(wanted, Object.keys(section), MISSPELT_KEY);

/** Keys that say how to get to a destination, and not which one it is. */
const NOT_IDENTITY = new Set(
  'identityFile agent passphraseFile knownHosts ssh allowDeleteFirst program transfers'.split(' '),
);

const identityOf = (section: object): string =>
  JSON.stringify(
    Object.entries(section)
      .filter(([key]) => !NOT_IDENTITY.has(key))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
