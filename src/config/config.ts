import { z } from 'zod';
import { ConfigError, problemsOf, valueAt, type ConfigProblem } from '../core/config-problems.ts';
import type { NewestBy } from '../core/lifecycle.ts';
import { showName } from '../name.ts';
import type { RetryOptions } from '../core/retry.ts';
import type { TransportPlugin } from '../transport.ts';
import { parseBandwidth, parseDurationMs } from '../core/units.ts';

/** A site's configuration as the rest of the program uses it: contract.md §6 with every default filled in. */
export interface Config {
  readonly site: string;
  readonly source: {
    readonly root: string;
    readonly tag: string;
    readonly newest: NewestBy;
    readonly settleMs: number;
    readonly supersededMs: number;
    readonly rescanMs: number;
    readonly exclude: readonly string[];
    readonly watcher: 'auto' | 'inotifywait' | 'chokidar';
  };
  readonly destinations: readonly Destination[];
  readonly send: {
    readonly durable: boolean;
    /** Bytes a second; null: no limit. */
    readonly bandwidth: number | null;
    readonly retry: RetryOptions;
  };
  readonly verify: 'sent' | 'all' | 'checksum' | 'off';
  readonly announce: boolean;
  /** null: the default folder. */
  readonly state: string | null;
  readonly status: { readonly listen: string | null };
  readonly hooks: { readonly finished: string | null; readonly alert: string | null };
}

/** contract.md §8: what `isocket receive` takes as options. */
export interface ReceiveSection {
  readonly root: string;
  /** HOST:PORT, or [ADDRESS]:PORT for IPv6. */
  readonly listen: string;
  /** A file. */
  readonly authorizedKeys: string;
  /** A file; null: the default one. */
  readonly hostKey: string | null;
  readonly appendOnly: boolean;
}

/** One destination: a transport and what its `parseOptions` made of the section. */
export interface Destination {
  readonly plugin: TransportPlugin;
  readonly options: unknown;
}

const DURATION = 'a duration with its unit, such as 500ms, 2s or 1m, of at most 24 days';
const PATH = 'an absolute path';
const ADDRESS = 'HOST:PORT, such as 127.0.0.1:9180';
const COUNT = 'a whole number, 1 or more';
/** A longer timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const BANDWIDTH = 'a number of bytes a second, such as 20MB/s';

const duration = (usual: string) =>
  z
    .string({ error: DURATION })
    .refine((text) => (parseDurationMs(text) ?? Infinity) <= MAX_TIMER_MS, { error: DURATION })
    .default(usual)
    .describe(`A duration. Default: ${usual}`);

const absolutePath = z
  .string({ error: PATH })
  .regex(/^\/[^\0]*$/, { error: PATH })
  .transform((path) => path.replace(/(?<=.)\/+$/, ''));

const address = z.string({ error: ADDRESS }).regex(/^(\[[^\]]+\]|[^:]+):\d{1,5}$/, { error: ADDRESS });

const holdAfter = z.int({ error: COUNT }).min(1, { error: COUNT });

const receiveSection = z
  .strictObject({
    root: absolutePath.describe('The folder that clients see as /'),
    listen: address.describe('For example 0.0.0.0:2222'),
    authorizedKeys: z.string().min(1, { error: 'a file' }).describe('A file: the public keys that may log in'),
    hostKey: z.string().min(1, { error: 'a file' }).nullable().default(null).describe('A file; made on first start'),
    appendOnly: z
      .boolean()
      .default(false)
      .describe('Clients add files; what is complete they can neither change, rename nor remove'),
  })
  .nullable()
  .default(null)
  .describe('What "isocket receive" takes, on a host that receives');

const schema = z.strictObject({
  site: z
    .string()
    .regex(/^(?!\.)[^/\0]{1,200}$/, { error: 'a name without "/" that does not begin with "."' })
    .optional()
    .describe('The name of the site. Default: the host’s name'),
  source: z.strictObject({
    root: absolutePath.describe('The folder under which the parser makes directories'),
    tag: z
      .string()
      .regex(/^[^/\0]*$/, { error: 'the beginning of a name, without "/"' })
      .default('')
      .describe('Directories whose name begins with this; "" for all'),
    newest: z.enum(['birth', 'name', 'mtime']).default('birth').describe('What makes a directory the newest'),
    settle: duration('2s'),
    superseded: duration('30s'),
    rescan: duration('30s'),
    exclude: z.array(z.string()).default(['.*']).describe('Globs of names that are not sent, at any depth'),
    watcher: z.enum(['auto', 'inotifywait', 'chokidar']).default('auto'),
  }),
  // Parsed one by one below, so that each problem is reported with its path.
  destination: z.unknown().optional(),
  send: z
    .strictObject({
      durable: z.boolean().default(true).describe('Mark only what the destination has on stable storage'),
      bandwidth: z
        .string({ error: BANDWIDTH })
        .refine((text) => parseBandwidth(text) !== undefined, { error: BANDWIDTH })
        .nullable()
        .default(null)
        .describe('For example "20MB/s"; null: no limit'),
      retry: z.strictObject({ first: duration('1s'), most: duration('60s'), hold: holdAfter.default(5) }).prefault({}),
    })
    .prefault({}),
  verify: z.enum(['sent', 'all', 'checksum', 'off']).default('sent').describe('What is checked before finished.watch'),
  announce: z.boolean().default(false).describe('Deliver finished.parse too, as the very last act'),
  state: absolutePath
    .nullable()
    .default(null)
    .describe('Default: /var/lib/isocket/SITE, or ~/.local/state/isocket/SITE'),
  status: z.strictObject({ listen: address.nullable().default(null) }).prefault({}),
  hooks: z
    .strictObject({ finished: z.string().nullable().default(null), alert: z.string().nullable().default(null) })
    .prefault({}),
  receive: receiveSection,
});

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
  const parsed = schema.safeParse(input ?? {});
  const problems = parsed.success ? [] : problemsOf(parsed.error, input, schema);
  const destinations = parseDestinations(input, context, problems);
  if (!parsed.success || problems.length > 0) throw new ConfigError(context.path, problems.map(printable));
  const { site, source, send, verify, announce, state, status, hooks } = parsed.data;
  const { settle, superseded, rescan, ...others } = source;
  return {
    site: site ?? context.hostname,
    source: { ...others, settleMs: ms(settle), supersededMs: ms(superseded), rescanMs: ms(rescan) },
    destinations,
    send: {
      durable: send.durable,
      bandwidth: send.bandwidth === null ? null : (parseBandwidth(send.bandwidth) ?? null),
      retry: { firstMs: ms(send.retry.first), mostMs: ms(send.retry.most), hold: send.retry.hold },
    },
    verify,
    announce,
    state,
    status,
    hooks,
  };
};

/**
 * The section `receive` alone: the configuration of a host that only receives has no other.
 * @throws ConfigError with every problem of the section
 */
export const parseReceiveSection = (input: unknown, path: string): ReceiveSection | null => {
  const circular = findCircularAlias(input);
  if (circular !== undefined) throw new ConfigError(path, [circular]);
  const only = z.object({ receive: receiveSection });
  const parsed = only.safeParse(input ?? {});
  if (!parsed.success) throw new ConfigError(path, problemsOf(parsed.error, input, only).map(printable));
  return parsed.data.receive;
};

const ms = (text: string): number => parseDurationMs(text) ?? 0;

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
const printable = ({ path, found, expected }: ConfigProblem): ConfigProblem => ({
  path: showName(path),
  found: typeof found === 'number' && !Number.isFinite(found) ? String(found) : found,
  expected,
});

const SECTION = 'a section with "transport", or a list of them';

const parseDestinations = (input: unknown, context: ParseContext, problems: ConfigProblem[]): Destination[] => {
  // A file that is not a section has one problem, which is reported already.
  if (Array.isArray(input) || (typeof input !== 'object' && input !== undefined)) return [];
  const section = valueAt(input, ['destination']);
  if (!Array.isArray(section)) return parseDestination(section, 'destination', context, problems);
  if (section.length === 0) problems.push({ path: 'destination', found: section, expected: SECTION });
  return section.flatMap((one: unknown, index) => parseDestination(one, `destination.${index}`, context, problems));
};

const parseDestination = (
  section: unknown,
  path: string,
  { transport, transportNames }: ParseContext,
  problems: ConfigProblem[],
): Destination[] => {
  if (typeof section !== 'object' || section === null || Array.isArray(section)) {
    problems.push({ path, found: section, expected: SECTION });
    return [];
  }
  const name = valueAt(section, ['transport']);
  const plugin = typeof name === 'string' ? transport(name) : undefined;
  if (plugin === undefined) {
    problems.push({
      path: `${path}.transport`,
      found: name,
      expected: `one of ${transportNames.join(', ')}, the name of an installed package, or a path such as ./my-transport.mjs`,
    });
    return [];
  }
  try {
    return [{ plugin, options: plugin.parseOptions({ ...section }) }];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems.map((problem) => ({ ...problem, path: `${path}.${problem.path}` })));
    return [];
  }
};

/**
 * JSON Schema for editors, from the same definition.
 * @param destinations the section of each bundled transport; a section of another transport may hold any key
 */
export const configJsonSchema = (destinations: readonly z.ZodObject[]): object => {
  const { properties = {}, required = [], ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const bundled = destinations.map((section) => ({ ...z.toJSONSchema(section, { io: 'input' }), $schema: undefined }));
  const names = bundled.map((section) => valueAt(section, ['properties', 'transport', 'const']));
  const other = {
    type: 'object',
    properties: { transport: { type: 'string', not: { enum: names } } },
    required: ['transport'],
  };
  const one = { $ref: '#/$defs/destination' };
  return {
    title: '.isocketrc',
    ...rest,
    properties: { ...properties, destination: { anyOf: [one, { type: 'array', items: one, minItems: 1 }] } },
    required: [...new Set([...required, 'destination'])],
    $defs: { destination: { anyOf: [...bundled, other] } },
  };
};
