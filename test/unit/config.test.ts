import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { defaultLoaders } from 'cosmiconfig';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config-problems.ts';
import { configJsonSchema, parseConfig, type Config } from '../../src/config.ts';
import { bundledTransport, bundledTransportNames } from '../../src/transports/index.ts';

const template = (name: string): string => readFileSync(new URL(`../../templates/${name}`, import.meta.url), 'utf8');

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
    expect(parse(defaultLoaders['.yaml']('isocketrc.yaml', template('isocketrc.yaml')))).toEqual(parse(least));
  });

  it('the published schema is that of the program', () => {
    expect(JSON.parse(template('isocketrc.schema.json'))).toEqual(configJsonSchema());
  });

  it('takes a list of destinations', () => {
    expect(parse({ ...least, destination: [least.destination, least.destination] }).destinations).toHaveLength(2);
  });

  it('fails with a ConfigError and nothing else, whatever stands in the file', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (source, destination, send) => {
        for (const input of [
          source,
          { source, destination, send },
          { ...least, source: { root: '/d', settle: source } },
        ]) {
          try {
            parse(input);
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
          }
        }
      }),
    );
  });
});
