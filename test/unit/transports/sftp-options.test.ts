import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError, type ConfigProblem } from '../../../src/core/config-problems.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';

const minimal = { transport: 'sftp', host: 'drms.example.org', path: '/backup/ED1' };

const problems = (section: Readonly<Record<string, unknown>>): readonly ConfigProblem[] => {
  try {
    parseSftpOptions(section);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

describe('sftp options', () => {
  it('fills in the defaults of the contract', () => {
    expect(parseSftpOptions(minimal)).toEqual({
      host: 'drms.example.org',
      path: '/backup/ED1',
      port: 22,
      user: undefined,
      identityFile: '~/.ssh/id_ed25519',
      agent: false,
      passphraseFile: undefined,
      knownHosts: '~/.ssh/known_hosts',
      allowDeleteFirst: false,
      system: undefined,
    });
  });

  it('gives the ssh program what the configuration has, without our defaults', () => {
    const { system } = parseSftpOptions({ ...minimal, ssh: 'system', user: 'u' });
    expect(system).toEqual({
      host: 'drms.example.org',
      port: undefined,
      user: 'u',
      identityFile: undefined,
      passphraseFile: undefined,
      knownHosts: undefined,
    });
    expect(parseSftpOptions({ ...minimal, ssh: 'system', identityFile: 'k', agent: true }).system?.identityFile).toBe(
      undefined,
    );
    expect(problems({ ...minimal, ssh: 'system', identityFile: '/a"b' })).toMatchObject([{ path: 'identityFile' }]);
  });

  it.each([
    ['/backup/', '/backup'],
    ['/', ''],
    ['backup', 'backup'],
  ])('path %s', (path, expected) => {
    expect(parseSftpOptions({ ...minimal, path }).path).toBe(expected);
  });

  it.each([['::1'], ['10.0.0.1'], ['host'], ['xn--caf-dma.example']])('accepts host %s', (host) => {
    expect(parseSftpOptions({ ...minimal, host }).host).toBe(host);
  });

  it.each<[string, unknown, string]>([
    ['host', '-oProxyCommand=x', 'name or address'],
    ['host', 'a b', 'name or address'],
    ['host', 'a\tb', 'name or address'],
    ['host', 'a\u0000', 'name or address'],
    ['host', '', 'name or address'],
    ['host', undefined, 'string'],
    ['user', '-l', 'name of a user'],
    ['path', '', 'a path'],
    ['path', 'a\u0000b', 'a path'],
    ['port', 0, 'from 1 to 65535'],
    ['port', 65536, 'from 1 to 65535'],
    ['port', '22', 'from 1 to 65535'],
    ['port', 22.5, 'from 1 to 65535'],
    ['ssh', 'putty', 'one of builtin, system'],
    ['agent', 'yes', 'boolean'],
    ['identityFile', '', 'a file'],
    ['knownHosts', null, 'string'],
    ['knownHost', '~/x', 'perhaps "knownHosts"'],
    ['timeout', 30, 'a known key'],
    ['allowDeleteFrist', true, 'perhaps "allowDeleteFirst"'],
  ])('%s: %j', (key, value, words) => {
    const found = problems({ ...minimal, [key]: value });
    expect(found).toEqual([{ path: key, found: value, expected: expect.stringContaining(words) as string }]);
  });

  it('reports all problems at once', () => {
    const found = problems({ transport: 'sftp', port: 0, usr: 'x' });
    expect(found.map(({ path }) => path).sort()).toEqual(['host', 'path', 'port', 'usr']);
  });

  it('fails with a ConfigError and nothing else', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (section) => {
        expect(problems(section).length).toBeGreaterThan(0);
        expect(() => problems({ ...minimal, ...section })).not.toThrow();
      }),
    );
  });

  it('accepts no host that ssh would parse as an option or that has a line break', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (host) => {
        if (problems({ ...minimal, host }).length === 0) expect(host).not.toMatch(/^-|[\s\p{Cc}]|^$/u);
      }),
    );
  });
});

it.each(['rel/path', 'me:22', '@host', 'two words'])('"%s" is no name of a user', (user) => {
  for (const ssh of ['builtin', 'system'])
    expect(() => parseSftpOptions({ transport: 'sftp', host: 'h', path: '/d', user, ssh })).toThrow(/user/);
});
