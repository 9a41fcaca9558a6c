import { z } from 'zod';
import {
  ConfigError,
  expectedKey,
  meantWord,
  problemsOf,
  valueAt,
  type ConfigProblem,
} from '../core/config-problems.ts';
import { parseBandwidth } from '../core/bandwidth.ts';
import { parseListenAddress } from '../core/listen-address.ts';
import { parseDurationMs } from '../core/units.ts';
import { UserError } from '../errors.ts';
import { showName } from '../name.ts';
import type { TransportPlugin } from '../transport.ts';
import type { Config, Destination, ReceiveSection } from './config.ts';
import { sameDestinations } from './same-destination.ts';
import { configSchema, receiveSchema } from './schema.ts';

export interface ParseContext {
  /** The file, for messages. */
  readonly path: string;
  readonly hostname: string;
  readonly transport: (name: string) => TransportPlugin | undefined;
  readonly transportNames: readonly string[];
}

/**
 * The file's content → the configuration. Pure.
 * @throws ConfigError with every problem, those of the destinations' own options included
 */
export const parseConfig = (input: unknown, context: ParseContext): Config => {
  const circular = findCircularAlias(input);
  if (circular !== undefined) throw new ConfigError(context.path, [circular]);
  const parsed = configSchema.safeParse(input ?? {});
  const problems = parsed.success ? [] : problemsOf(parsed.error, input, configSchema);
  const destinations = parseDestinations(input, context, problems);
  problems.push(...backOffProblems(input), ...outputProblems(input));
  if (!parsed.success || problems.length > 0) throw new ConfigError(context.path, problems.map(printable));
  const { site, source, send, verify, announce, manifest, state, log, status, hooks, alerts } = parsed.data;
  const { settle, superseded, rescan, root, tag, newest, exclude, watcher, trustMarks } = source;
  return {
    site: site ?? context.hostname,
    source: {
      root,
      tag,
      newest,
      settleMs: ms(settle),
      supersededMs: ms(superseded),
      rescanMs: ms(rescan),
      exclude,
      watcher,
      trustMarks,
    },
    destinations,
    send: {
      durable: send.durable,
      bandwidth: send.bandwidth === null ? null : (parseBandwidth(send.bandwidth) ?? null),
      retry: { firstMs: ms(send.retry.first), mostMs: ms(send.retry.most), hold: send.retry.hold },
    },
    verify,
    announce,
    manifest,
    state,
    log,
    status: {
      listen: status.listen === null ? null : (parseListenAddress(status.listen) ?? null),
      textfile: status.textfile,
    },
    hooks: {
      finished: hooks.finished,
      alert: hooks.alert,
      ping: hooks.ping,
      timeoutMs: ms(hooks.timeout),
      pingEveryMs: ms(hooks.pingEvery),
    },
    alerts: {
      unsentMs: msOrNever(alerts.unsent),
      downMs: msOrNever(alerts.down),
      successMs: msOrNever(alerts.success),
      held: alerts.held,
      late: alerts.late,
      silentMs: msOrNever(alerts.silent),
      umask: alerts.umask,
    },
  };
};

/**
 * The section `receive` alone: the configuration of a host that only receives has no other.
 * @throws ConfigError with every problem of the section
 */
export const parseReceiveSection = (input: unknown, path: string): ReceiveSection | null => {
  const circular = findCircularAlias(input);
  if (circular !== undefined) throw new ConfigError(path, [circular]);
  const only = z.object({ receive: receiveSchema });
  const parsed = only.safeParse(input ?? {});
  if (!parsed.success) throw new ConfigError(path, problemsOf(parsed.error, input, only).map(printable));
  if (parsed.data.receive === null) return null;
  const { login, idle, keepAlive, end, ...counts } = parsed.data.receive.limits;
  const times = { loginMs: ms(login), idleMs: ms(idle), keepAliveMs: ms(keepAlive), endMs: ms(end) };
  return { ...parsed.data.receive, limits: { ...counts, ...times } };
};

/** A first delay that no later one reaches. */
const backOffProblems = (input: unknown): ConfigProblem[] => {
  const retry = valueAt(input, ['send', 'retry']);
  const [first, most = '60s'] = ['first', 'most'].map((key) => valueAt(retry, [key]));
  const isAbove =
    typeof first === 'string' && typeof most === 'string' && ms(first) > (parseDurationMs(most) ?? Infinity);
  return isAbove ? [{ path: 'send.retry.first', found: first, expected: `at most send.retry.most (${most})` }] : [];
};

/** Files of ours that would be sent: a log, which would grow by a line for it. */
const outputProblems = (input: unknown): ConfigProblem[] => {
  const root = valueAt(input, ['source', 'root']);
  return [
    ['log', 'file'],
    ['status', 'textfile'],
  ].flatMap((path) => {
    const file = valueAt(input, path);
    const isInRoot = typeof file === 'string' && typeof root === 'string' && `${file}/`.startsWith(`${root}/`);
    return isInRoot ? { path: path.join('.'), found: file, expected: 'a file outside source.root' } : [];
  });
};

const ms = (text: string): number => parseDurationMs(text) ?? 0;

const msOrNever = (text: string | null): number | null => (text === null ? null : ms(text));

/** Values that JSON cannot show: a YAML alias that contains itself, and types that no file can hold. */
const findCircularAlias = (input: unknown): ConfigProblem | undefined => {
  const ancestors = new Set<object>();
  const done = new Set<object>();
  const visit = (value: unknown, path: string): ConfigProblem | undefined => {
    if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function')
      return { path, found: typeof value, expected: 'text, a number, true, false, null, a list or a section' };
    if (typeof value !== 'object' || value === null || done.has(value)) return undefined;
    if (ancestors.has(value)) return { path, found: 'an alias', expected: 'no section that contains itself' };
    ancestors.add(value);
    for (const [key, inner] of Object.entries(value)) {
      const circular = visit(inner, path === '' ? key : `${path}.${key}`);
      if (circular !== undefined) return circular;
    }
    ancestors.delete(value);
    done.add(value);
    return undefined;
  };
  return visit(input, '');
};

/** Safe to print: a key may hold any character, and JSON has neither NaN nor infinity. */
const printable = ({ path, found, ...rest }: ConfigProblem): ConfigProblem => ({
  ...rest,
  path: showName(path),
  found: typeof found === 'number' && !Number.isFinite(found) ? String(found) : found,
});

const SECTION = 'a section with "transport", or a list of them';

const parseDestinations = (input: unknown, context: ParseContext, problems: ConfigProblem[]): Destination[] => {
  // A file that is not a section has one problem, which is reported already.
  if (Array.isArray(input) || (typeof input !== 'object' && input !== undefined)) return [];
  const section = valueAt(input, ['destination']);
  if (!Array.isArray(section)) return parseDestination(section, 'destination', context, problems);
  if (section.length === 0) problems.push({ path: 'destination', found: section, expected: SECTION });
  const placed = section.flatMap((one: unknown, index) => {
    const at = `destination.${index}`;
    return parseDestination(one, at, context, problems).map((destination) => ({ at, destination }));
  });
  problems.push(...sameDestinations(placed));
  return placed.map(({ destination }) => destination);
};

const parseDestination = (
  section: unknown,
  path: string,
  context: ParseContext,
  problems: ConfigProblem[],
): Destination[] => {
  if (typeof section !== 'object' || section === null || Array.isArray(section)) {
    problems.push({ path, found: section, expected: SECTION });
    return [];
  }
  const name = valueAt(section, ['transport']);
  try {
    const plugin = typeof name === 'string' ? context.transport(name) : undefined;
    if (plugin !== undefined)
      return [{ plugin, options: plugin.parseOptions({ ...section }), identity: identityOf(section) }];
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
