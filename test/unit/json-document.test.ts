import { globSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { allOf, SourceFields, typeOf, type Declared, type Fields } from '../support/source-fields.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const EVENTS: Declared = { name: 'IsocketEvent', file: 'src/core/events.ts' };

/** One heading of docs/json.md, and what is below it. */
interface Section {
  readonly heading: string;
  readonly text: string;
  /** The `type` that the heading names, if so. */
  readonly type: string;
  /** Where its fields come from, as `<!-- fields: … -->` says; undefined: from the `type`. */
  readonly sources: readonly string[] | undefined;
  readonly fields: Fields;
  readonly examples: readonly Readonly<Record<string, unknown>>[];
}

const FIELD = /`([\w.]+)(\?)?`/g;

const sections: readonly Section[] = readFileSync(`${ROOT}/docs/json.md`, 'utf8')
  .split(/^(?=#{2,4} )/m)
  .slice(1)
  .map((text) => {
    const [heading = ''] = text.split('\n', 1);
    const cells = [...text.matchAll(/^\| ((?:`[\w.]+\??`(?:, )?)+) \|/gm)].flatMap(([, cell = '']) => [
      ...cell.matchAll(FIELD),
    ]);
    return {
      heading,
      text,
      type: /^#+ `([\w-]+)`(?: of `.*`.*)?$/.exec(heading)?.[1] ?? '',
      sources: /<!-- fields: (.*) -->/.exec(text)?.[1]?.split('; '),
      fields: new Map(cells.map(([, name = '', mark]) => [name, mark !== undefined])),
      examples: [...text.matchAll(/^```json\n([^]*?)^```/gm)]
        .flatMap(([, block = '']) => block.trim().split('\n'))
        .map((line) => JSON.parse(line) as Section['examples'][number]),
    };
  });
const described = sections.filter(({ text }) => text.includes('```json'));

const declaredIn = (source: string): Declared | undefined => {
  const [, name = '', file] = /^(\w+) in (\S+)$/.exec(source) ?? [];
  return file === undefined ? undefined : { name, file };
};

const sources = new SourceFields(
  new Set(sections.flatMap((one) => one.sources?.flatMap((source) => declaredIn(source)?.name ?? []) ?? [])),
);
const events = sources.events(EVENTS);

/** What `--json` prints as it stands: no event, whose type the compiler checks; nor a JSON Schema, which has a `type` of its own. */
const printed = globSync('src/cli/**/*.ts', { cwd: ROOT, exclude: ['src/cli/manual/json-schema.ts'] })
  .filter((file) => readFileSync(`${ROOT}/${file}`, 'utf8').includes("type: '"))
  .flatMap((file) => allOf(sources.file(file), ts.isObjectLiteralExpression))
  .map((literal) => ({ type: typeOf(literal), fields: sources.literal(literal) }))
  .filter(({ type }) => type !== '');

const expectedOf = ({ type, sources: named, heading }: Section): Fields => {
  const event = events.get(type);
  if (named === undefined && event !== undefined) return event;
  if (named === undefined) {
    const [one, ...others] = printed.filter((literal) => literal.type === type).map(({ fields }) => fields);
    const isOne = others.every((other) => isDeepStrictEqual(other, one));
    if (one === undefined || !isOne) throw new Error(`${heading}: say where its fields come from`);
    return one;
  }
  const without = new Set(named.map((source) => /^without (.*)$/.exec(source)?.[1]));
  const fields = named.flatMap((source): (readonly [string, boolean])[] => {
    const declared = declaredIn(source);
    return declared === undefined ? [[source.replace('?', ''), source.endsWith('?')]] : [...sources.of(declared, type)];
  });
  return new Map(fields.filter(([name]) => !without.has(name) && !name.startsWith('without ')));
};

const shown = (fields: Fields): string[] =>
  [...fields].flatMap(([name, isOptional]) => (name === 'type' ? [] : `${name}${isOptional ? '?' : ''}`)).toSorted();

/** Names of an object, those of an object in it or in its lists as `outer.inner`. */
const namesIn = (value: unknown, above = ''): string[] => {
  if (Array.isArray(value)) return value.flatMap((one) => namesIn(one, above));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => {
    const below = namesIn(one, `${above}${name}.`);
    return below.length === 0 ? [`${above}${name}`] : below;
  });
};

describe('docs/json.md', () => {
  it('has every event, and whatever else has a type', () => {
    const types = new Set(described.map(({ type }) => type));
    expect(events.size).toBeGreaterThan(25);
    expect([...events.keys()].filter((type) => !types.has(type))).toEqual([]);
    const isDescribed = ({ type, fields }: (typeof printed)[number]): boolean =>
      described.some(
        (section) =>
          section.type === type && [...fields.keys()].every((name) => name === 'type' || section.fields.has(name)),
      );
    expect(printed.filter((literal) => !isDescribed(literal))).toEqual([]);
  });

  it('has what is printed elsewhere', () => {
    const named = new Set(sections.flatMap((one) => one.sources ?? []));
    for (const source of [
      'SiteStatus in src/status/site-status.ts',
      'LiveDaemon in src/status/live/live-status.ts',
      'ReceiverFigures in src/core/receiver-figures.ts',
      'healthAnswer in src/status/serve/http-answer.ts',
      'finishedInput in src/status/notify/messages.ts',
      'alertInput in src/status/notify/messages.ts',
      'proofOf in src/delivery/finish-directory.ts',
      'logObject in src/cli/reporters/log-line.ts',
    ])
      expect(named).toContain(source);
  });

  describe.each(described.map((section) => [section.heading, section] as const))('%s', (_heading, section) => {
    it('names each field', () => {
      expect(shown(section.fields)).toEqual(shown(expectedOf(section)));
    });

    it('says how stable it is', () => {
      expect(section.text).toMatch(/\b(?:Stable|May change)\b/);
    });

    it('has an example with its fields', () => {
      const { type, fields, examples } = section;
      for (const example of examples) {
        const [given, whole] = [Object.keys(example), namesIn(example)];
        if (type !== '') expect(example.type).toBe(type);
        // A line of the log has the fields of its event besides.
        const ofEvent = type === '' ? (events.get(String(example.type)) ?? new Map<string, boolean>()) : fields;
        const isKnown = (name: string): boolean =>
          name === 'type' || [...fields.keys(), ...ofEvent.keys()].some((one) => `${name}.`.startsWith(`${one}.`));
        // An empty list shows nothing of what it holds.
        const isEmpty = (name: string): boolean => [...fields.keys()].some((one) => one.startsWith(`${name}.`));
        expect(whole.filter((name) => !isKnown(name) && !isEmpty(name))).toEqual([]);
        const needed = [...fields].flatMap(([name, isOptional]) => (isOptional ? [] : (name.split('.', 1)[0] ?? '')));
        expect(needed.filter((name) => !given.includes(name))).toEqual([]);
      }
      expect(examples.length).toBeGreaterThan(0);
    });
  });
});
