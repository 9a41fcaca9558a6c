import { DEFAULT_LIMITS } from '../../../src/receiver/admission.ts';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { defaultLoaders } from 'cosmiconfig';
import { describe, expect, it } from 'vitest';
import { ConfigError, type ConfigProblem } from '../../../src/core/config-problems.ts';
import type { Config } from '../../../src/config/config.ts';
import { parseConfig, parseReceiveSection } from '../../../src/config/parse-config.ts';
import { configurationPage } from '../../../src/cli/manual/configuration.ts';
import { configJsonSchema } from '../../../src/cli/manual/json-schema.ts';
import { UserError } from '../../../src/errors.ts';
import { bundledTransport, bundledTransportNames } from '../../../src/transports/index.ts';

const template = (name: string): string => readFileSync(new URL(`../../../templates/${name}`, import.meta.url), 'utf8');

const parse = (input: unknown): Config =>
  parseConfig(input, {
    path: 'rc',
    hostname: 'host',
    transport: bundledTransport,
    transportNames: bundledTransportNames,
  });

const least = {
  source: { root: '/datas' },
  destination: { transport: 'sftp', host: 'drms.example.org', path: '/backup/ED1' },
};

describe('config', () => {
  it('the sample says what the defaults are', () => {
    const sample: unknown = defaultLoaders['.yaml']('isocketrc.yaml', template('isocketrc.yaml'));
    const expected = parse(least);
    // The sample says port: 22, so that it is another destination to a record.
    const destinations = expected.destinations.map((one, index) => {
      const { identity } = parse(sample).destinations[index] ?? one;
      return { ...one, identity };
    });
    expect(parse(sample)).toEqual({ ...expected, destinations });
  });

  it('the published schema is that of the program', () => {
    expect(JSON.parse(template('isocketrc.schema.json'))).toEqual(configJsonSchema());
  });

  it('the page of all keys is that of the schema, and says something of each', () => {
    const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
    expect(page).toBe(configurationPage(configJsonSchema()));
    const rows = page.split('\n').filter((line) => /^\| \**`/.test(line));
    expect(rows.length).toBeGreaterThan(50);
    expect(rows.filter((line) => / \| {2}\|$/.test(line))).toEqual([]);
  });

  it('the schema completes the keys of a destination, and its patterns are such as editors compile', () => {
    const text = template('isocketrc.schema.json');
    expect(text).toContain('"knownHosts"');
    const patterns: string[] = [];
    JSON.parse(text, (key, value: unknown) => {
      if (key === 'pattern' && typeof value === 'string') patterns.push(value);
      return value;
    });
    expect(patterns.length).toBeGreaterThan(3);
    for (const pattern of patterns) expect(() => new RegExp(pattern, 'u')).not.toThrow();
  });

  it('accepts defaults as they are written', () => {
    const reserved = { status: { listen: null } };
    const source = { ...least.source, trustMarks: false };
    expect(parse({ ...least, ...reserved, source })).toEqual(parse(least));
    expect(parse({ ...least, status: {}, hooks: {}, alerts: {} })).toEqual(parse(least));
  });

  it('tells best-effort destinations apart; which one it is to a record does not change with that', () => {
    const at = (host: string, more = {}) => ({ ...least.destination, host, ...more });
    const both = parse({ ...least, destination: [at('a', { required: false }), at('b', { required: true })] });
    expect([both.destinations, both.bestEffort].map((some) => some.map(({ place }) => place))).toEqual([[1], [0]]);
    const { identity } = parse({ ...least, destination: at('a') }).destinations[0] ?? {};
    expect(both.bestEffort[0]?.identity).toBe(identity);
  });

  it('reads where the daemon answers', () => {
    const listen = (value: unknown) => parse({ ...least, status: { listen: value } }).status.listen;
    expect(listen('[::1]:9180')).toEqual({ host: '::1', port: 9180 });
    expect([listen(9180), listen('9180')]).toEqual([
      { host: '127.0.0.1', port: 9180 },
      { host: '127.0.0.1', port: 9180 },
    ]);
    expect(() => listen(0)).toThrow('status.listen is 0: expected HOST:PORT, such as 127.0.0.1:9180');
    expect(() => listen(true)).toThrow('status.listen is true: expected HOST:PORT');
  });

  it('reads who is told', () => {
    const { hooks, alerts } = parse({
      ...least,
      hooks: { finished: ['/bin/true', '-x'], alert: 'cat >/dev/null', ping: 'https://hc-ping.com/1', timeout: '5s' },
      alerts: { unsent: null, down: '1m', late: false },
    });
    expect(hooks).toEqual({
      finished: ['/bin/true', '-x'],
      alert: 'cat >/dev/null',
      ping: 'https://hc-ping.com/1',
      timeoutMs: 5000,
      pingEveryMs: 300_000,
    });
    expect(alerts).toEqual({
      unsentMs: null,
      downMs: 60_000,
      successMs: 86_400_000,
      held: true,
      late: false,
      silentMs: null,
      umask: true,
    });
  });

  it.each([
    ['no URL', { ping: 'hc-ping.com/secret' }, 'hooks.ping'],
    ['another scheme', { ping: 'ftp://host/secret' }, 'hooks.ping'],
    ['a misspelt key', { pings: 'https://hc-ping.com/secret' }, 'hooks.pings'],
    ['two of them', { ping: ['https://hc-ping.com/secret'] }, 'hooks.ping'],
  ])('does not show a ping URL, a secret, that cannot be used: %s', (_what, hooks, key) => {
    let message = '';
    try {
      parse({ ...least, hooks });
    } catch (error) {
      message = error instanceof ConfigError ? error.message : '';
    }
    expect(message).toContain(key);
    expect(message).not.toContain('secret');
  });

  it.each([[''], [[]], [['']], [7], [{ run: 'x' }]])('refuses %j as a command', (finished) => {
    expect(() => parse({ ...least, hooks: { finished } })).toThrow(/hooks\.finished.*expected a command line for/);
  });

  it('takes a list of destinations', () => {
    expect(
      parse({ ...least, destination: [least.destination, { ...least.destination, path: '/q' }] }).destinations,
    ).toHaveLength(2);
  });

  it('reads durations, sizes and paths into the units that the program counts in', () => {
    const { site, source, send } = parse({
      ...least,
      source: { root: '/datas/', settle: '250ms', superseded: '1m30s', rescan: '1h' },
      send: { bandwidth: '20MB/s', retry: { first: '2s', most: '5m', hold: 7 } },
    });
    expect(site).toBe('host');
    expect(source).toMatchObject({ root: '/datas', settleMs: 250, supersededMs: 90_000, rescanMs: 3_600_000 });
    expect(send).toMatchObject({ bandwidth: 20 * 2 ** 20, retry: { firstMs: 2000, mostMs: 300_000, hold: 7 } });
  });

  it('reports what another transport says of its options with all other problems', () => {
    const refuse = () => {
      throw new UserError('Cannot use destination.path 7: expected a bucket', { hint: 'name a bucket' });
    };
    const plugin = { name: 'own', parseOptions: refuse, connect: refuse };
    const input = { ...least, announce: 7, destination: [{ transport: 'own', path: 7 }, least.destination, 7] };
    const transport = (name: string) => (name === 'own' ? plugin : bundledTransport(name));
    expect(() => parseConfig(input, { path: 'rc', hostname: 'host', transport, transportNames: [] })).toThrow(
      new RegExp(
        [
          '^Cannot use rc: 3 problems',
          '  announce is 7: expected boolean',
          '  destination 1: Cannot use destination.path 7: expected a bucket',
          '  name a bucket',
          '  destination 3 is 7: .*$',
        ].join('\n'),
      ),
    );
  });

  it('reads what "isocket receive" takes', () => {
    const receive = { root: '/backup', listen: '[::]:2222', authorizedKeys: '/etc/isocket/keys' };
    expect(parseReceiveSection(least, 'rc')).toBeNull();
    const whole = {
      ...{ ...receive, hostKey: null, appendOnly: false, keepVersions: false, atomicPuts: false, allowRoot: false },
      limits: DEFAULT_LIMITS,
      status: { listen: null, textfile: null },
    };
    expect(parseReceiveSection({ ...least, receive }, 'rc')).toEqual(whole);
    expect(parseReceiveSection({ receive: { ...receive, appendOnly: true } }, 'rc')).toEqual({
      ...whole,
      appendOnly: true,
    });
    expect(() => parseReceiveSection({ receive: { ...receive, rot: '/x' } }, 'rc')).toThrow(/receive\.rot .*"root"/);
  });

  const problems = (input: unknown): readonly ConfigProblem[] => {
    try {
      parse(input);
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  };
  const of = (section: object): object => ({ ...least.destination, ...section });
  const circular: unknown[] = [];
  circular.push(circular);

  it.each<[string, unknown, Readonly<Record<string, string>>]>([
    ['nothing', undefined, { source: 'object', destination: 'a section with "transport"' }],
    ['null', null, { source: 'object', destination: 'a section with "transport"' }],
    ['a list', [], { '': 'object' }],
    ['no root', { ...least, source: {} }, { 'source.root': 'an absolute path' }],
    ['a root with NUL', { ...least, source: { root: '/a\0b' } }, { 'source.root': 'an absolute path' }],
    ['a tag that no name has', { ...least, source: { root: '/d', tag: 'DC/' } }, { 'source.tag': 'without "/"' }],
    ['a bare number', { ...least, source: { root: '/d', settle: 2 } }, { 'source.settle': 'with its unit' }],
    ['a bare number as text', { ...least, source: { root: '/d', settle: '2' } }, { 'source.settle': 'with its unit' }],
    [
      'words after a duration',
      { ...least, source: { root: '/d', rescan: '2s or so' } },
      { 'source.rescan': 'its unit' },
    ],
    ['more than a timer can', { ...least, source: { root: '/d', rescan: '30d' } }, { 'source.rescan': '24 days' }],
    ['a bare bandwidth', { ...least, send: { bandwidth: 20 } }, { 'send.bandwidth': 'such as 20MB/s' }],
    ['a fraction', { ...least, send: { retry: { hold: 1.5 } } }, { 'send.retry.hold': 'a whole number' }],
    ['an address without a port', { ...least, status: { listen: 'localhost' } }, { 'status.listen': 'HOST:PORT' }],
    ['no destination', { ...least, destination: [] }, { destination: 'a section with "transport"' }],
    [
      'unknown keys at three depths',
      { ...least, vrify: 'all', send: { retry: { moost: '2s' } }, destination: of({ prot: 22 }) },
      { vrify: 'perhaps "verify"', 'send.retry.moost': 'perhaps "most"', 'destination.prot': 'perhaps "port"' },
    ],
    [
      'each destination of a list for itself',
      { ...least, destination: [least.destination, 7, { host: 'h' }, of({ port: 0 }), of({ transport: 'ftp' })] },
      {
        'destination.1': 'a section with "transport"',
        'destination.2.transport': 'one of sftp',
        'destination.3.port': 'from 1 to 65535',
        'destination.4.transport': 'one of sftp',
      },
    ],
    ['an alias that contains itself', { ...least, hooks: circular }, { 'hooks.0': 'contains itself' }],
    ['no number', { ...least, verify: NaN }, { verify: 'one of sent' }],
    ['a key with terminal escapes', { ...least, '\u001b[2J': 1 }, { '\\x1b[2J': 'a known key' }],
    ['__proto__', JSON.parse(JSON.stringify(least).replace('{', '{"__proto__":1,')), { ['__proto__']: 'a known key' }],
  ])('%s', (_title, input, wanted) => {
    const found = problems(input);
    expect(found.map(({ path }) => path).sort()).toEqual(Object.keys(wanted).sort());
    for (const [path, words] of Object.entries(wanted))
      expect(found.find((problem) => problem.path === path)?.expected).toContain(words);
  });

  it('names every wrong value there is, with its path and what was found', () => {
    const places = [
      'site',
      'verify',
      'announce',
      'source.settle',
      'source.watcher',
      'send.durable',
      'send.retry.first',
      'destination.port',
      'destination.agent',
    ];
    // Of no type that one of these takes.
    const wrong = fc.constantFrom<unknown>(-1, 0.5, [], [[]], {}, { a: 1 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...places), { minLength: 1 }), wrong, (paths, value) => {
        const input = structuredClone(least);
        for (const path of paths) setAt(input, path.split('.'), value);
        const found = problems(input);
        expect(found.map(({ path }) => path).sort()).toEqual([...paths].sort());
        for (const problem of found) expect(problem.found).toEqual(value);
      }),
    );
  });

  it('fails with a ConfigError and nothing else, whatever stands in the file', () => {
    const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withMap: true });
    fc.assert(
      fc.property(anything, anything, anything, (source, destination, send) => {
        for (const input of [
          source,
          { source, destination, send },
          { ...least, source: { root: '/d', settle: source }, receive: destination },
          { ...least, destination: [{ ...least.destination, port: source }, destination, send] },
        ]) {
          expect(() => problems(input)).not.toThrow();
        }
      }),
    );
  });
});

const setAt = (target: object, path: readonly string[], value: unknown): void => {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    Reflect.set(target, key, value);
    return;
  }
  const inner: unknown = Reflect.get(target, key);
  const section = typeof inner === 'object' && inner !== null ? inner : {};
  Reflect.set(target, key, section);
  setAt(section, rest, value);
};
