import { z } from 'zod';
import { ConfigError, problemsOf, valueAt, type ConfigProblem } from './config-problems.ts';
import type { NewestBy } from './lifecycle.ts';
import type { RetryOptions } from './retry.ts';
import type { TransportPlugin } from './transport.ts';
import { parseBandwidth, parseDurationMs } from './units.ts';

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

/** One destination: a transport and what its `parseOptions` made of the section. */
export interface Destination {
  readonly plugin: TransportPlugin;
  readonly options: unknown;
}

const DURATION = 'a duration with its unit, such as 500ms, 2s or 1m';
const BANDWIDTH = 'a number of bytes a second, such as 20MB/s';

const duration = (usual: string) =>
  z
    .string({ error: DURATION })
    .refine((text) => parseDurationMs(text) !== undefined, { error: DURATION })
    .default(usual)
    .describe(`A duration. Default: ${usual}`);

const absolutePath = z
  .string()
  .regex(/^\//, { error: 'an absolute path' })
  .transform((path) => path.replace(/(?<=.)\/+$/, ''));

const schema = z.strictObject({
  site: z
    .string()
    .regex(/^(?!\.)[^/\0]{1,200}$/, { error: 'a name without "/" that does not begin with "."' })
    .optional()
    .describe('The name of the site. Default: the host’s name'),
  source: z.strictObject({
    root: absolutePath.describe('The folder under which the parser makes directories'),
    tag: z.string().default('').describe('Directories whose name begins with this; "" for all'),
    newest: z.enum(['birth', 'name', 'mtime']).default('birth').describe('What makes a directory the newest'),
    settle: duration('2s'),
    superseded: duration('30s'),
    rescan: duration('30s'),
    exclude: z.array(z.string()).default(['.*']).describe('Globs of names that are not sent, at any depth'),
    watcher: z.enum(['auto', 'inotifywait', 'chokidar']).default('auto'),
  }),
  destination: z.union(
    [z.looseObject({ transport: z.string() }), z.array(z.looseObject({ transport: z.string() })).min(1)],
    {
      error: 'a section with "transport", or a list of them',
    },
  ),
  send: z
    .strictObject({
      durable: z.boolean().default(true).describe('Mark only what the destination has on stable storage'),
      bandwidth: z
        .string({ error: BANDWIDTH })
        .refine((text) => parseBandwidth(text) !== undefined, { error: BANDWIDTH })
        .nullable()
        .default(null)
        .describe('For example "20MB/s"; null: no limit'),
      retry: z
        .strictObject({ first: duration('1s'), most: duration('60s'), hold: z.int().min(1).default(5) })
        .prefault({}),
    })
    .prefault({}),
  verify: z.enum(['sent', 'all', 'checksum', 'off']).default('sent').describe('What is checked before finished.watch'),
  announce: z.boolean().default(false).describe('Deliver finished.parse too, as the very last act'),
  state: absolutePath
    .nullable()
    .default(null)
    .describe('Default: /var/lib/isocket/SITE, or ~/.local/state/isocket/SITE'),
  status: z.strictObject({ listen: z.string().nullable().default(null) }).prefault({}),
  hooks: z
    .strictObject({ finished: z.string().nullable().default(null), alert: z.string().nullable().default(null) })
    .prefault({}),
});

export interface ParseContext {
  /** The file, for messages. */
  readonly path: string;
  readonly hostname: string;
  readonly transport: (name: string) => TransportPlugin | undefined;
  readonly transportNames: readonly string[];
}

/**
 * What stands in the file → the configuration. Pure.
 * @throws ConfigError with every problem there is, those of the destinations' own options too
 */
export const parseConfig = (input: unknown, context: ParseContext): Config => {
  const parsed = schema.safeParse(input ?? {});
  const problems = parsed.success ? [] : problemsOf(parsed.error, input, schema);
  const destinations = parseDestinations(input, context, problems);
  if (!parsed.success || problems.length > 0) throw new ConfigError(context.path, problems);
  const { site, source, send, verify, announce, state, status, hooks } = parsed.data;
  const { settle, superseded, rescan, ...rest } = source;
  return {
    site: site ?? context.hostname,
    source: { ...rest, settleMs: ms(settle), supersededMs: ms(superseded), rescanMs: ms(rescan) },
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

const ms = (text: string): number => parseDurationMs(text) ?? 0;

const parseDestinations = (
  input: unknown,
  { transport, transportNames }: ParseContext,
  problems: ConfigProblem[],
): Destination[] => {
  const section = valueAt(input, ['destination']);
  const isList = Array.isArray(section);
  return (isList ? section : [section]).flatMap((options: unknown, index): Destination[] => {
    const name = valueAt(options, ['transport']);
    if (typeof name !== 'string' || typeof options !== 'object' || options === null) return [];
    const path = isList ? `destination.${index}` : 'destination';
    const plugin = transport(name);
    if (plugin === undefined) {
      problems.push({ path: `${path}.transport`, found: name, expected: `one of ${transportNames.join(', ')}` });
      return [];
    }
    try {
      return [{ plugin, options: plugin.parseOptions({ ...options }) }];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems.map((problem) => ({ ...problem, path: `${path}.${problem.path}` })));
      return [];
    }
  });
};

/** JSON Schema for editors, from the same definition. */
export const configJsonSchema = (): object => ({
  title: '.isocketrc',
  ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }),
});
