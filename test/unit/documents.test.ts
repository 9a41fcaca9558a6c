import { defaultLoaders } from 'cosmiconfig';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS, COMMON_OPTIONS } from '../../src/cli/command-table.ts';
import { EXIT_CODES } from '../../src/cli/manual/topics.ts';
import { flagsOf } from '../../src/cli/manual/flags.ts';
import { parseConfig, parseReceiveSection } from '../../src/config/parse-config.ts';
import { bundledTransport, bundledTransportNames } from '../../src/transports/index.ts';
import { anchorsOf, callsIn, readDocuments, ROOT, type Document } from '../support/documents.ts';

const documents = readDocuments();
const manual = documents.filter(({ path }) => path === 'README.md' || path.startsWith('docs/'));
const byPath = new Map(documents.map((one) => [one.path, one]));
const each = documents.map((one) => [one.path, one] as const);

/** Files that are not documents, and name the same things. */
const templates = globSync('templates/**/*', { cwd: ROOT, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`)
  .map((path) => ({ path: posix.relative(ROOT, path), text: readFileSync(path, 'utf8') }));

const commands = new Map(
  COMMANDS.map(({ usage, options = [] }) => {
    const all = [...COMMON_OPTIONS, ...options].map(flagsOf);
    const flags = all.flatMap(({ short, long }) => [`--${long}`, ...(short === undefined ? [] : [`-${short}`])]);
    return [usage.split(' ', 1)[0] ?? '', new Set([...flags, '--help'])];
  }),
);
/** What the parser of arguments has besides. */
const HELP = 'help';
const common = new Set([...COMMON_OPTIONS.map(flagsOf).map(({ long }) => `--${long}`), '--help', '--version']);

const isCommand = (word: string): boolean => word === HELP || commands.has(word);

/** What a document has for a shell. */
const shellIn = ({ blocks, spans }: Document): string[] => [
  ...spans,
  ...blocks.filter(({ language }) => ['', 'sh'].includes(language)).map(({ text }) => text),
];
const callsOf = (document: Document) => shellIn(document).flatMap((text) => callsIn(text, isCommand));

const mistakesIn = (calls: ReturnType<typeof callsIn>): string[] =>
  calls.flatMap(({ command, flags }) => {
    const known = command === undefined || command === HELP ? common : commands.get(command);
    if (known === undefined) return `isocket ${command}`;
    return flags.filter((flag) => !known.has(flag)).map((flag) => `isocket ${command ?? ''} ${flag}`);
  });

/** A path, or a pattern of paths, from the root of the repository. */
const isThere = (path: string): boolean => globSync(path.replace(/\/$/, ''), { cwd: ROOT }).length > 0;
const sources = globSync('{src,test}/**/*', { cwd: ROOT });
/** A module or a folder of the sources, by the end of its path. */
const isInSources = (name: string): boolean =>
  isThere(name) || sources.some((path) => path.endsWith(`/${name.replace(/\/$/, '')}`));

describe.each(each)('%s', (path, document) => {
  it('links to what is there', () => {
    const links = [...document.prose.matchAll(/\]\((?![a-z]+:)([^)\s]*)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      const [file = '', anchor] = link.split('#', 2);
      const target = file === '' ? path : posix.join(posix.dirname(path), file);
      const known = byPath.get(target);
      if (!existsSync(`${ROOT}${target}`)) return true;
      return anchor !== undefined && (known === undefined || !anchorsOf(known).has(anchor));
    });
    expect(broken).toEqual([]);
  });

  it('names files that are there', () => {
    const below = /(?<![\w./@-])(?:src|test|docs|templates|bench)\/[\w./@*-]*[\w*/]/g;
    const named = shellIn(document).flatMap((text) => text.match(below) ?? []);
    const modules = document.spans.filter((span) => /^(?:[\w-]+\/)*[\w-]+(?:\.test)?\.ts$/.test(span));
    const folders = path === 'ARCHITECTURE.md' ? document.spans.filter((span) => /^(?:[\w-]+\/)+$/.test(span)) : [];
    const missing = [
      ...named.filter((name) => !isThere(name)),
      ...[...modules, ...folders].filter((name) => !isInSources(name)),
    ];
    expect(missing).toEqual([]);
  });

  it('names commands and flags that isocket has', () => {
    expect(mistakesIn(callsOf(document))).toEqual([]);
  });

  it('names keys of the configuration that there are', () => {
    const named = document.spans.flatMap((span) => /^([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?::.*)?$/.exec(span)?.[1] ?? []);
    expect(named.filter((key) => isOfConfig(key) && !hasKey(key.split('.')))).toEqual([]);
  });

  it('names exit codes that there are', () => {
    const codes = EXIT_CODES.flatMap(([code]) => code.split(', '));
    const named = [...document.prose.matchAll(/\bexit(?: code)?s? (\d+)/gi)].map(([, code = '']) => code);
    expect(named.filter((code) => !codes.includes(code))).toEqual([]);
  });

  it('names metrics that there are', () => {
    const named = document.text.match(/\bisocket_[a-z][a-z_]*[a-z]\b(?!_)/g) ?? [];
    expect(named.filter((name) => !metrics.has(name.replace(/_(?:bucket|sum|count)$/, '')))).toEqual([]);
  });
});

const metrics = new Set(
  globSync('src/status/metrics/*.ts', { cwd: ROOT }).flatMap(
    (file) => readFileSync(`${ROOT}${file}`, 'utf8').match(/(?<=')isocket_\w+(?=')/g) ?? [],
  ),
);

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}
const schema = JSON.parse(readFileSync(`${ROOT}templates/isocketrc.schema.json`, 'utf8')) as Schema;
const NO_KEYS = /\.(?:json|ts|md|ya?ml|js|mjs|prom|parse|watch)$/;

/** `limits.login` is said for `receive.limits.login`. */
const isOfConfig = (key: string): boolean =>
  !NO_KEYS.test(key) && ['limits', ...Object.keys(schema.properties ?? {})].includes(key.split('.', 1)[0] ?? '');

const hasKey = (key: readonly string[], from: Schema = schema): boolean => {
  const [first, ...rest] = key[0] === 'limits' && from === schema ? ['receive', ...key] : key;
  if (first === undefined) return true;
  const parts = [from, from.items, schema.$defs?.[from.$ref?.split('/').at(-1) ?? '']].filter(
    (one) => one !== undefined,
  );
  return [...parts, ...parts.flatMap(({ anyOf = [] }) => anyOf)].some((part) => {
    const next = part.properties?.[first];
    if (next !== undefined) return hasKey(rest, next);
    return part !== from && hasKey(key, part);
  });
};

/** What a fragment lacks. */
const LEAST = {
  source: { root: '/datas', tag: 'DC' },
  destination: { transport: 'sftp', host: 'drms.example.org', path: '/backup', user: 'isocket', agent: true },
};
type Content = Readonly<Record<string, unknown>>;

const whole = ({ source, destination = {}, ...more }: Content): Content => ({
  ...more,
  source: { ...LEAST.source, ...(source as object | undefined) },
  destination:
    Array.isArray(destination) || Object.hasOwn(destination as object, 'transport')
      ? destination
      : { ...LEAST.destination, ...(destination as object) },
});

/** In YAML a part of one too, with any of its sections. */
const isConfiguration = (language: string, content: Content): boolean =>
  language === 'yaml'
    ? Object.keys(schema.properties ?? {}).some((key) => Object.hasOwn(content, key))
    : ['source', 'destination', 'receive'].some((key) => typeof content[key] === 'object');

const configurations = documents.flatMap(({ blocks }) =>
  blocks
    .filter(({ language, isExample }) => ['yaml', 'json'].includes(language) && !isExample)
    .map(({ at, language, text }) => ({ at, language, content: defaultLoaders['.yaml'](at, firstOf(text)) as Content }))
    .filter(({ language, content }) => isConfiguration(language, content)),
);

/** A block of JSON may have an object in each line. */
function firstOf(text: string): string {
  return text.startsWith('{"') ? text.slice(0, text.indexOf('\n')) : text;
}

describe('configurations in documents', () => {
  it('are there', () => {
    expect(configurations.length).toBeGreaterThan(5);
  });

  it.each(configurations)('$at is one', ({ at, content }) => {
    if (Object.hasOwn(content, 'receive')) parseReceiveSection(content, at);
    const context = { path: at, hostname: 'ED1', transport: bundledTransport, transportNames: bundledTransportNames };
    expect(parseConfig(whole(content), context).destinations.length).toBeGreaterThan(0);
  });
});

describe('templates', () => {
  it('name files, commands and flags that there are', () => {
    const paths = templates.flatMap(({ path, text }) =>
      [...text.matchAll(/(?<![\w./@-])(?:docs|templates)\/[\w./@-]*\w/g)].map(([name]) => `${path}: ${name}`),
    );
    expect(paths.filter((named) => !isThere(named.split(': ')[1] ?? ''))).toEqual([]);
    const calls = templates.flatMap(({ text }) => callsIn(text.replaceAll('`', '\n'), isCommand));
    expect(mistakesIn(calls)).toEqual([]);
  });
});

describe('README.md and docs', () => {
  const calls = manual.flatMap(callsOf);

  it.each([...commands.keys()])('name isocket %s', (command) => {
    expect(calls.map((call) => call.command)).toContain(command);
  });

  it.each(COMMANDS)('name each flag of isocket $usage', ({ usage, options = [] }) => {
    const command = usage.split(' ', 1)[0];
    const named = new Set(calls.flatMap((call) => (call.command === command ? call.flags : [])));
    const unnamed = options
      .map(flagsOf)
      .filter(({ short = '', long }) => !named.has(`--${long}`) && !named.has(`-${short}`));
    expect(unnamed).toEqual([]);
  });

  it('name the flags of every command', () => {
    const spans = new Set(manual.flatMap((one) => one.spans.map((span) => span.split(/[ =]/, 1)[0])));
    expect([...common].filter((flag) => !spans.has(flag))).toEqual([]);
  });

  it('have a table of the exit codes', () => {
    const [, table = ''] =
      /^\| exit code \| means \|\n((?:\|.*\n)+)/m.exec(byPath.get('docs/contract.md')?.text ?? '') ?? [];
    const codes = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].map(([, code]) => code);
    expect(codes).toEqual(EXIT_CODES.map(([code]) => code));
  });

  it('name every metric', () => {
    expect([...metrics].filter((name) => !manual.some(({ text }) => text.includes(name)))).toEqual([]);
  });
});
