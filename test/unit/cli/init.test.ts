import fc from 'fast-check';
import { defaultLoaders } from 'cosmiconfig';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findKey, findRoot, foldersIn, guessTag, serviceSite } from '../../../src/cli/init/defaults.ts';
import { fillTemplate } from '../../../src/cli/init/fill-template.ts';

const template = readFileSync(new URL('../../../templates/isocketrc.yaml', import.meta.url), 'utf8');
const read = (text: string): unknown => defaultLoaders['.yaml']('.isocketrc', text);

describe('fillTemplate', () => {
  it('leaves the sample as it is where there is nothing to fill in', () => {
    expect(fillTemplate(template, {})).toBe(template);
  });

  it('changes the value and keeps the line’s comment, switching on what stands there as a comment', () => {
    const text = fillTemplate(template, {
      site: 'ED1',
      'source.root': '/data set',
      'destination.user': 'ship',
      'destination.port': 2222,
    });
    expect(text).toContain('\nsite: ED1 # the name of the site');
    expect(text).toContain('\n  root: "/data set" # the folder under which');
    expect(text).toContain('\n  user: ship # default: the user that runs isocket');
    expect(text).toContain('\n  port: 2222\n');
    expect(text.split('\n')).toHaveLength(template.split('\n').length);
  });

  it('every value comes back from YAML as it went in, and nothing else changes', () => {
    const value = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
      fc.constantFrom('yes', 'null', '~', '1e3', '0x10', '# not', "it's", 'a: b', '- a', '{a}', '*x', '%', '', ' '),
    );
    const before = read(template) as { source: object; destination: object };
    fc.assert(
      fc.property(value, value, value, (root, tag, path) => {
        const text = fillTemplate(template, { 'source.root': root, 'source.tag': tag, 'destination.path': path });
        expect(read(text)).toEqual({
          ...before,
          source: { ...before.source, root, tag },
          destination: { ...before.destination, path },
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('minds a key that the sample does not have', () => {
    expect(() => fillTemplate(template, { 'destination.nothing': 'x' })).toThrow('no line for destination.nothing');
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly default?: unknown;
}

/** "hooks.timeout" → "30s", for each key of the schema in these sections. */
const defaultsOf = (schema: Schema, sections: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(
    sections.flatMap((section) =>
      Object.entries(schema.properties?.[section]?.properties ?? {}).map(([key, { default: value = null }]) => [
        `${section}.${key}`,
        value,
      ]),
    ),
  );

describe('the sample', () => {
  it('has every key of who is told, with its default', () => {
    const file = new URL('../../../templates/isocketrc.schema.json', import.meta.url);
    const sections = ['log', 'status', 'hooks', 'alerts'];
    const sample = read(template) as Record<string, Record<string, unknown>>;
    const found = sections.flatMap((section) =>
      Object.entries(sample[section] ?? {}).map(([key, value]) => [`${section}.${key}`, value]),
    );
    expect(Object.fromEntries(found)).toEqual(defaultsOf(JSON.parse(readFileSync(file, 'utf8')) as Schema, sections));
  });

  it('names no file of isocket that is not there', () => {
    const named = [...template.matchAll(/(?:docs|templates)\/[\w.-]+/g)].map(([name]) => name);
    expect(named).toContain('docs/being-told.md');
    expect(named.filter((name) => !existsSync(new URL(`../../../${name}`, import.meta.url)))).toEqual([]);
  });
});

describe('what init detects', () => {
  it.each([
    [['DC1', 'DC2', 'DC10'], 'DC'],
    [['run-001', 'run-002', 'lost+found'], 'run'],
    [['DC1', 'ED2'], ''],
    [['2024', '2025'], ''],
    [[], ''],
  ])('the tag of %j is "%s"', (names, tag) => {
    expect(guessTag(names)).toBe(tag);
  });

  it('the first root and the first key that are there, and the site of a service', () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-init-'));
    try {
      mkdirSync(`${folder}/data/DC1`, { recursive: true });
      writeFileSync(`${folder}/data/file`, '');
      expect(findRoot([`${folder}/none`, `${folder}/data/file`, `${folder}/data`])).toBe(`${folder}/data`);
      expect(findRoot([`${folder}/none`])).toBeUndefined();
      expect(foldersIn(`${folder}/data`)).toEqual(['DC1']);
      expect(foldersIn(`${folder}/none`)).toEqual([]);
      expect(findKey(folder)).toBe('~/.ssh/id_ed25519');
      mkdirSync(`${folder}/.ssh`);
      writeFileSync(`${folder}/.ssh/id_rsa`, '');
      expect(findKey(folder)).toBe('~/.ssh/id_rsa');
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(serviceSite('/etc/isocket/ED1/.isocketrc')).toBe('ED1');
    expect(serviceSite('/etc/isocket/.isocketrc')).toBeUndefined();
  });
});
