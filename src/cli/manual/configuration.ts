/** The part of a JSON Schema that the page is made of. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** What is said above the keys of a section, and who reads it. */
const SECTIONS: Readonly<Record<string, string>> = {
  '': 'What concerns the site as a whole.',
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
export const configurationPage = (schema: object): string => {
  const { properties = {}, required = [], $defs = {} } = schema as Schema;
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
    'Where it goes: one, or a list of them. Which keys there are depends on `transport`: a bundled one, or the path or package of another ([writing-a-transport.md](writing-a-transport.md)), which has keys of its own.';
  const parts = transports.map((one) =>
    table(
      `### \`transport: ${String(one.properties?.transport?.const)}\``,
      rowsOf('destination', one).filter(([key]) => !key.includes('.transport`')),
    ),
  );
  return `## \`destination\`\n\n${words}\n\n${parts.join('\n')}`;
};

const part = (title: string, words: string, rows: readonly Row[]): string => table(`## ${title}\n\n${words}`, rows);

const table = (above: string, rows: readonly Row[]): string =>
  `${above}\n\n| key | takes | default | |\n| --- | --- | --- | --- |\n${rows.map((cells) => `| ${cells.join(' | ')} |\n`).join('')}`;

type Row = readonly [key: string, takes: string, usual: string, words: string];

/** A section is an object, or null where it may be left out. */
const sectionIn = (schema: Schema): Schema | undefined =>
  schema.properties === undefined ? schema.anyOf?.find(({ properties }) => properties !== undefined) : schema;

const rowsOf = (above: string, { properties = {}, required = [] }: Schema): Row[] =>
  Object.entries(properties).flatMap(([name, one]): Row[] => {
    const key = above === '' ? name : `${above}.${name}`;
    const section = sectionIn(one);
    if (section !== undefined) return rowsOf(key, section);
    const isNeeded = required.includes(name) && one.default === undefined;
    const usual = one.default === undefined ? '' : `\`${JSON.stringify(one.default)}\``;
    return [[isNeeded ? `**\`${key}\`**` : `\`${key}\``, takenBy(one), usual, wordsOf(one)]];
  });

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
