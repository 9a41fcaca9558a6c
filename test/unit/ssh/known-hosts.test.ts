import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostKeyFingerprint, judgeHostKey, knownKeyTypes, parseKnownHosts } from '../../../src/ssh/known-hosts.ts';
import { makeKey } from '../../support/keys.ts';

let folder: string;
let line: string;
let other: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-known-'));
  line = (await makeKey(join(folder, 'one'))).split(' ').slice(0, 2).join(' ');
  other = (await makeKey(join(folder, 'two'))).split(' ').slice(0, 2).join(' ');
});
afterAll(() => rmSync(folder, { recursive: true }));

const blob = (of: string): Buffer => Buffer.from(of.split(' ')[1] ?? '', 'base64');
const judge = (text: string, host = 'host', port = 22): string =>
  judgeHostKey(parseKnownHosts(text), { host, port }, blob(line));

describe('known_hosts', () => {
  it('plain, with a port, patterns, negation, revoked, and lines that are none', () => {
    expect(judge(`host ${line}`)).toBe('known');
    expect(judge(`# host\r\n\r\nnonsense\r\nHOST,x ${line} comment\r\n`)).toBe('known');
    expect(judge(`host ${line}`, 'host', 2222)).toBe('unknown');
    expect(judge(`[host]:2222 ${line}`, 'host', 2222)).toBe('known');
    expect(judge(`*.example.org ${line}`, 'a.example.org')).toBe('known');
    expect(judge(`*.example.org,!a.example.org ${line}`, 'a.example.org')).toBe('unknown');
    expect(judge(`h?st ${line}`)).toBe('known');
    expect(judge(`host ${other}`)).toBe('changed');
    expect(judge(`host ${other}\nhost ${line}`)).toBe('known');
    expect(judge(`host ${line}\n@revoked * ${line}`)).toBe('revoked');
    expect(judge(`@cert-authority host ${line}`)).toBe('unknown');
    expect(judge('')).toBe('unknown');
  });

  it('hashed by the real ssh-keygen', async () => {
    const file = join(folder, 'known_hosts');
    writeFileSync(file, `host ${line}\n[host]:2222 ${line}\n`);
    await execa('ssh-keygen', ['-q', '-H', '-f', file]);
    const hashed = readFileSync(file, 'utf8');
    expect(hashed).toMatch(/^\|1\|/);
    expect(judge(hashed)).toBe('known');
    expect(judge(hashed, 'host', 2222)).toBe('known');
    expect(judge(hashed, 'host', 2223)).toBe('unknown');
  });

  it('asks for the kinds of key that the file has, in its order', async () => {
    await execa('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', join(folder, 'rsa')]);
    const rsa = `host ${readFileSync(join(folder, 'rsa.pub'), 'utf8').trim()}`;
    expect(knownKeyTypes(parseKnownHosts(`${rsa}\nhost ${line}`), { host: 'host', port: 22 })).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-ed25519',
    ]);
  });

  it('finds the lines that the real ssh-keygen finds', async () => {
    const file = join(folder, 'hosts');
    const lines = [
      `a.example.org ${line}`,
      `*.example.net ${line}`,
      `[b.example.org]:2222 ${line}`,
      `H?ST,10.0.0.1 ${line}`,
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const names = ['a.example.org', 'A.Example.Org', 'x.example.net', 'example.net', 'host', '10.0.0.1', '10.0.0.2'];
    const addresses = [
      ...names.flatMap((host) => [{ host, port: 22 }]),
      { host: 'b.example.org', port: 2222 },
      { host: 'b.example.org', port: 22 },
    ];
    for (const { host, port } of addresses) {
      const name = port === 22 ? host : `[${host}]:${port}`;
      const { exitCode } = await execa('ssh-keygen', ['-F', name, '-f', file], { reject: false });
      expect({ name, verdict: judge(readFileSync(file, 'utf8'), host, port) }).toEqual({
        name,
        verdict: exitCode === 0 ? 'known' : 'unknown',
      });
    }
  });

  it('reads what ssh-keyscan writes', () => {
    expect(judge(`# host:2222 SSH-2.0-OpenSSH_9.2\n[host]:2222 ${line}\n`, 'host', 2222)).toBe('known');
  });

  it.each([
    ['SSH 1', 'host 1024 35 123456789'],
    ['a torn key', 'host ssh-ed25519 AAAAC3Nz'],
    ['a key of another type', 'host ssh-rsa KEY'],
    ['no key', 'host ssh-ed25519'],
    ['an unknown marker', '@nonsense host ssh-ed25519 KEY'],
  ])('a bad line does not make the host look changed: %s', (_title, text) => {
    const key = other.split(' ')[1] ?? '';
    expect(judge(text.replace('KEY', key))).toBe('unknown');
    expect(judge(`${text.replace('KEY', key)}\nhost ${line}`)).toBe('known');
  });

  it('takes any text, and is never long about it', () => {
    const started = performance.now();
    expect(judge(`${'*'.repeat(60)}x ${line}`, 'h'.repeat(60))).toBe('unknown');
    expect(performance.now() - started).toBeLessThan(1000);
    const word = fc.constantFrom(
      'host',
      '*',
      '!',
      '|1|',
      '|1|a|b',
      '@revoked',
      '(',
      '[',
      '\\',
      'ssh-ed25519',
      ' ',
      ',',
      '\r',
      '\n',
      '#',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string({ unit: 'binary' }))), (words) => {
        expect(judge(words.join(''))).toBe('unknown');
        // Whatever stands around it, a good line of its own is found.
        expect(judge(`${words.join('')}\nhost ${line}`)).toBe('known');
      }),
    );
  });

  it('prints the fingerprint as ssh-keygen does', async () => {
    const { stdout } = await execa('ssh-keygen', ['-l', '-f', join(folder, 'one.pub')]);
    expect(stdout).toContain(hostKeyFingerprint(blob(line)));
  });
});
