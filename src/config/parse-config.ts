import { z } from 'zod';
import { ConfigError, problemsOf, valueAt, type ConfigProblem } from '../core/config-problems.ts';
import { parseBandwidth } from '../core/bandwidth.ts';
import { parseListenAddress } from '../core/listen-address.ts';
import { parseDurationMs } from '../core/units.ts';
import { showName } from '../name.ts';
import type { Config, ReceiveSection } from './config.ts';
import { bestEffortOf, parseDestinations, type ParseContext } from './parse-destinations.ts';
import { configSchema, receiveSchema } from './schema.ts';

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
  const bestEffort = bestEffortOf(input, problems);
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
    destinations: destinations.filter(({ place }) => !bestEffort.has(place)),
    bestEffort: destinations.filter(({ place }) => bestEffort.has(place)),
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
      listen: status.listen === null ? null : (parseListenAddress(String(status.listen)) ?? null),
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
  const { listen, textfile } = parsed.data.receive.status;
  const status = { listen: listen === null ? null : String(listen), textfile };
  return { ...parsed.data.receive, limits: { ...counts, ...times }, status };
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
