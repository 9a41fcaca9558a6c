import { DESTINATIONS_EXAMPLE } from './examples.ts';
import { sectionIn, type Schema } from './json-schema.ts';

/** What is said above the keys of a section, and who reads it. */
const SECTIONS: Readonly<Record<string, string>> = {
  '': 'What concerns the site as a whole. Every command reads `site` and `state`; `verify` and `announce` are of `scan`, `daemon` and `fill`, `manifest` of `restore` too.',
  source:
    'What is sent, and when it is complete. Every command reads `root`, `tag`, `newest` and `exclude`; `settle` and `superseded` are of `scan` and `daemon`, `rescan` and `watcher` of `daemon` and `watch`.',
  send: 'How files are sent: `scan`, `daemon`, `send` and `restore`.',
  log: 'Where it is logged: `scan`, `daemon` and every command that changes anything. [being-told.md](being-told.md) has more.',
  status:
    'Who may ask: `listen` is of `daemon`, `textfile` of `daemon` and `scan`. [being-told.md](being-told.md) has more.',
  hooks: 'Who is told: `daemon` and `scan`; `check --notify` tries it. [being-told.md](being-told.md) has more.',
  alerts: 'Of what `hooks.alert` and `hooks.ping` tell. `null` and `false`: never.',
  receive: 'What `isocket receive` takes, on a host that receives. [receiver.md](receiver.md) has more.',
};

const INTRODUCTION = `# Configuration

One site has one file: YAML, or JSON. It is \`.isocketrc\` here or in a folder above, \`~/.config/isocket/.isocketrc\`, \`/etc/isocket/.isocketrc\`, or what \`--config\` or \`ISOCKET_CONFIG\` names.
A flag goes before the environment, that before the file, and that before the default. All problems of a file are told at once, and \`isocket check\` tries what it says.
\`~/\` is the home in files of a destination (\`identityFile\`, \`knownHosts\`, \`passphraseFile\`); \`source.root\` and the other paths are absolute.
\`templates/isocketrc.yaml\` is a sample with every key of a source, \`templates/isocketrc.schema.json\` the same for editors.

This page is made from the definition that isocket reads the file with (\`npm run schema\`). **Bold**: must be given.
`;

/**
 * docs/configuration.md. Pure.
 * @param schema of the whole file, as `configJsonSchema` has it
 */
export const configurationPage = ({ properties = {}, required = [], $defs = {} }: Schema): string => {
  const [plain, sections] = [new Map<string, Schema>(), new Map<string, Schema>()];
  for (const [name, one] of Object.entries(properties)) {
    if (name === 'destination') continue;
    (sectionIn(one) === undefined ? plain : sections).set(name, one);
  }
  const transports = ($defs.destination?.anyOf ?? []).filter((one) => one.properties?.transport?.const !== undefined);
  return [
    INTRODUCTION,
    part('The file', SECTIONS[''] ?? '', rowsOf('', { properties: Object.fromEntries(plain), required })),
    ...[...sections].flatMap(([name, one]) => {
      const body = part(`\`${name}\``, SECTIONS[name] ?? '', rowsOf(name, sectionIn(one) ?? {}));
      return name === 'source' ? [body, destinationPart(transports)] : [body];
    }),
  ].join('\n');
};

const destinationPart = (transports: readonly Schema[]): string => {
  const words =
    'Where it goes: one, or a list of them. Which keys there are depends on `transport`: a bundled one, or the path or package of another ([writing-a-transport.md](writing-a-transport.md)), which has keys of its own. Every command that asks a destination reads all of them: `scan`, `daemon`, `send`, `check`, `list`, `verify`, `prune`, `restore`, `fill`. Of a list each has a queue of its own:';
  const parts = transports.map((one) =>
    table(
      `### \`transport: ${String(one.properties?.transport?.const)}\``,
      rowsOf('destination', one).filter(([key]) => !key.includes('.transport`')),
    ),
  );
  const example = `\`\`\`yaml\ndestination:\n${DESTINATIONS_EXAMPLE.map(item).join('')}\`\`\``;
  return `## \`destination\`\n\n${words}\n\n${example}\n\n${parts.join('\n')}`;
};

/** One of a list in YAML. */
const item = (one: Readonly<Record<string, unknown>>): string =>
  Object.entries(one)
    .map(([key, value], index) => `  ${index === 0 ? '-' : ' '} ${key}: ${written(value)}\n`)
    .join('');

const part = (title: string, words: string, rows: readonly Row[]): string => table(`## ${title}\n\n${words}`, rows);

const table = (above: string, rows: readonly Row[]): string =>
  `${above}\n\n| key | takes | default | example | |\n| --- | --- | --- | --- | --- |\n${rows.map((cells) => `| ${cells.join(' | ')} |\n`).join('')}`;

type Row = readonly [key: string, takes: string, usual: string, example: string, words: string];

const rowsOf = (above: string, { properties = {}, required = [] }: Schema): Row[] =>
  Object.entries(properties).flatMap(([name, one]): Row[] => {
    const key = above === '' ? name : `${above}.${name}`;
    const section = sectionIn(one);
    if (section !== undefined) return rowsOf(key, section);
    const isNeeded = required.includes(name) && one.default === undefined;
    const [usual, example] = [one.default, one.examples?.[0]].map((value) =>
      value === undefined ? '' : `\`${written(value)}\``,
    );
    return [[isNeeded ? `**\`${key}\`**` : `\`${key}\``, takenBy(one), usual ?? '', example ?? '', wordsOf(one)]];
  });

/** Text that YAML reads as text without quotes, in a list too: no number, no word of its own, no mark of its syntax. */
const PLAIN = /^(?!(?:true|false|null|~|[\d.]+)$)[\w/~.](?:[\w/~.@:-]*[\w/~.@-])?$/i;

/** As it is written in a file. */
const written = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  return typeof value === 'string' && PLAIN.test(value) ? value : JSON.stringify(value);
};

const takenBy = (schema: Schema): string => {
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${String(one)}\``).join(', ');
  if (/A duration/.test(schema.description ?? '')) return isNullable(schema) ? 'duration, `null`' : 'duration';
  return [...new Set(typesOf(schema))].map((type) => (type === 'null' ? '`null`' : type)).join(', ');
};

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true, false',
  integer: 'number',
  array: 'list',
};

const typesOf = ({ type, anyOf = [] }: Schema): string[] =>
  type === undefined ? anyOf.flatMap(typesOf) : [type].flat().map((one) => TYPES[one] ?? one);

const isNullable = (schema: Schema): boolean => typesOf(schema).includes('null');

/** The columns say the default already. */
const wordsOf = ({ description = '' }: Schema): string =>
  description
    .replace(/\. A duration(, or null: never)?\. Default: \S+$/, '')
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;');
