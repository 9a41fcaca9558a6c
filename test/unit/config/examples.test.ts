import { readFileSync } from 'node:fs';
import { defaultLoaders } from 'cosmiconfig';
import { describe, expect, it } from 'vitest';
import { configJsonSchema, sectionIn, type Schema } from '../../../src/cli/manual/json-schema.ts';
import { parseConfig, parseReceiveSection } from '../../../src/config/parse-config.ts';
import { bundledTransport, bundledTransportNames } from '../../../src/transports/index.ts';

// The example that docs/configuration.md and the schema for editors have of each key.

interface Key {
  /** "send.retry.first" */
  readonly path: string;
  readonly schema: Schema;
}

const keysIn = (section: Schema, above: string): Key[] =>
  Object.entries(section.properties ?? {})
    .filter(([, schema]) => schema.const === undefined && schema.$ref === undefined)
    .flatMap(([name, schema]) => {
      const path = above + name;
      const inner = sectionIn(schema);
      return inner === undefined ? [{ path, schema }] : keysIn(inner, `${path}.`);
    });

const whole = configJsonSchema();
const ofSite = keysIn(whole, '').filter(({ path }) => path !== 'destination');
const transports = (whole.$defs?.destination?.anyOf ?? []).filter(({ properties }) => properties?.transport?.const);
const ofDestinations = transports.flatMap((section) =>
  keysIn(section, '').map((key) => ({ ...key, transport: String(section.properties?.transport?.const) })),
);

const context = { path: 'rc', hostname: 'host', transport: bundledTransport, transportNames: bundledTransportNames };
const SFTP = { transport: 'sftp', host: 'h', path: '/backup' };
const LEAST: Readonly<Record<string, object>> = {
  sftp: SFTP,
  rsync: { ...SFTP, transport: 'rsync', identityFile: '/key' },
  rclone: { transport: 'rclone', remote: 's3:' },
};
const RECEIVE = { root: '/received', listen: '[::1]:22', authorizedKeys: '/keys' };

/** A section in which nothing else stands beside what the section must have. */
const withValue = (path: string, value: unknown, least: object): object => {
  const [first = '', ...rest] = path.split('.');
  const inner: unknown = Reflect.get(least, first);
  return { ...least, [first]: rest.length === 0 ? value : withValue(rest.join('.'), value, { ...(inner as object) }) };
};

const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');

const exampleOf = ({ schema: { examples = [] } }: Key): unknown => examples[0];

describe('each key has an example that is not its default', () => {
  it.each([...ofSite, ...ofDestinations])('$path', (key) => {
    expect(exampleOf(key)).toBeDefined();
    expect(exampleOf(key)).not.toEqual(key.schema.default);
  });

  it('of the site and of each transport', () => {
    expect(ofSite.length).toBeGreaterThan(50);
    expect(new Set(ofDestinations.map(({ transport }) => transport))).toEqual(new Set(bundledTransportNames));
  });
});

describe('each example can be loaded', () => {
  it.each(ofSite)('$path', (key) => {
    const least = { source: { root: '/data' }, destination: SFTP, receive: RECEIVE };
    const [before, read] = [least, withValue(key.path, exampleOf(key), least)].map((one) => [
      parseConfig(one, context),
      parseReceiveSection(one, 'rc'),
    ]);
    expect(read).not.toEqual(before);
  });

  const parsed = (destination: unknown) => parseConfig({ source: { root: '/data' }, destination }, context);

  it.each(ofDestinations.filter(({ path }) => path !== 'required'))('$path of $transport', (key) => {
    const least = LEAST[key.transport] ?? {};
    const [before, read] = [least, withValue(key.path, exampleOf(key), least)].map(parsed);
    expect(read).not.toEqual(before);
  });

  it('destination: of several, one that is not required beside one that is', () => {
    const [example] = whole.properties?.destination?.examples ?? [];
    expect(parsed(example)).toMatchObject({ destinations: [{}], bestEffort: [{}] });
    // It is that of the page, as it is.
    const [, block = ''] = /^```yaml\n(destination:\n(?:.*\n)+?)```$/m.exec(page) ?? [];
    expect(defaultLoaders['.yaml']('', block)).toEqual({ destination: example });
  });
});

describe('docs/configuration.md', () => {
  /** Example and default of each key, in the order of the page. */
  const rows = [...page.matchAll(/^\| \**`([^`]+)`\** \| [^|]* \| (?:`([^`]*)`)? +\| `([^`]*)` \|/gm)];

  it('has them as a file has them', () => {
    const keys = [...ofSite, ...ofDestinations.map((key) => ({ ...key, path: `destination.${key.path}` }))];
    const read = rows.map(([, path, usual = '', example = '']) => ({
      path,
      usual: usual === '' ? undefined : readYaml(usual),
      example: readYaml(example),
    }));
    expect(read).toHaveLength(keys.length);
    for (const { path, schema } of keys)
      expect(read).toContainEqual({ path, usual: schema.default, example: schema.examples?.[0] });
  });
});

/** In a section and in a list. */
const readYaml = (text: string): unknown => {
  const { value, list } = defaultLoaders['.yaml']('', `value: ${text}\nlist: [${text}]\n`) as {
    readonly value: unknown;
    readonly list: readonly unknown[];
  };
  expect(list).toEqual([value]);
  return value;
};
