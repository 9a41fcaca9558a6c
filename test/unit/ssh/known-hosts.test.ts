import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostKeyFingerprint, judgeHostKey, knownKeyTypes, parseKnownHosts } from '../../../src/ssh/known-hosts.ts';
import { makeKey } from '../../support/keys.ts';

let folder: string;
let publicKey: string;
let otherPublicKey: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-known-'));
  publicKey = (await makeKey(join(folder, 'one'))).split(' ').slice(0, 2).join(' ');
  otherPublicKey = (await makeKey(join(folder, 'two'))).split(' ').slice(0, 2).join(' ');
});
afterAll(() => rmSync(folder, { recursive: true }));

const blob = (of: string): Buffer => Buffer.from(of.split(' ')[1] ?? '', 'base64');
const judge = (text: string, host = 'host', port = 22): string =>
  judgeHostKey(parseKnownHosts(text), { host, port }, blob(publicKey));

describe('known_hosts', () => {
  it('plain names, ports, patterns, negation, revoked keys, and lines without an entry', () => {
    expect(judge(`host ${publicKey}`)).toBe('known');
    expect(judge(`# host\r\n\r\nnonsense\r\nHOST,x ${publicKey} comment\r\n`)).toBe('known');
    expect(judge(`host ${publicKey}`, 'host', 2222)).toBe('unknown');
    expect(judge(`[host]:2222 ${publicKey}`, 'host', 2222)).toBe('known');
    expect(judge(`*.example.org ${publicKey}`, 'a.example.org')).toBe('known');
    expect(judge(`*.example.org,!a.example.org ${publicKey}`, 'a.example.org')).toBe('unknown');
    expect(judge(`h?st ${publicKey}`)).toBe('known');
    expect(judge(`host ${otherPublicKey}`)).toBe('changed');
    expect(judge(`host ${otherPublicKey}\nhost ${publicKey}`)).toBe('known');
    expect(judge(`host ${publicKey}\n@revoked * ${publicKey}`)).toBe('revoked');
    expect(judge(`@cert-authority host ${publicKey}`)).toBe('unknown');
    expect(judge('')).toBe('unknown');
  });

  it('hashed by the real ssh-keygen', async () => {
    const file = join(folder, 'known_hosts');
    writeFileSync(file, `host ${publicKey}\n[host]:2222 ${publicKey}\n`);
    await execa('ssh-keygen', ['-q', '-H', '-f', file]);
    const hashed = readFileSync(file, 'utf8');
    expect(hashed).toMatch(/^\|1\|/);
    expect(judge(hashed)).toBe('known');
    expect(judge(hashed, 'host', 2222)).toBe('known');
    expect(judge(hashed, 'host', 2223)).toBe('unknown');
  });

  it('requests the key types that the file has, in its order', async () => {
    await execa('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', join(folder, 'rsa')]);
    const rsa = `host ${readFileSync(join(folder, 'rsa.pub'), 'utf8').trim()}`;
    expect(knownKeyTypes(parseKnownHosts(`${rsa}\nhost ${publicKey}`), { host: 'host', port: 22 })).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-ed25519',
    ]);
  });

  it('finds the lines that the real ssh-keygen finds', async () => {
    const file = join(folder, 'hosts');
    const lines = [
      `a.example.org ${publicKey}`,
      `*.example.net ${publicKey}`,
      `[b.example.org]:2222 ${publicKey}`,
      `H?ST,10.0.0.1 ${publicKey}`,
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
    expect(judge(`# host:2222 SSH-2.0-OpenSSH_9.2\n[host]:2222 ${publicKey}\n`, 'host', 2222)).toBe('known');
  });

  it.each([
    ['SSH 1', 'host 1024 35 123456789'],
    ['a truncated key', 'host ssh-ed25519 AAAAC3Nz'],
    ['a key of another type', 'host ssh-rsa KEY'],
    ['no key', 'host ssh-ed25519'],
    ['an unknown marker', '@nonsense host ssh-ed25519 KEY'],
  ])('a bad line does not make the host changed: %s', (_title, text) => {
    const key = otherPublicKey.split(' ')[1] ?? '';
    expect(judge(text.replace('KEY', key))).toBe('unknown');
    expect(judge(`${text.replace('KEY', key)}\nhost ${publicKey}`)).toBe('known');
  });

  it('accepts any text, in bounded time', () => {
    const started = performance.now();
    expect(judge(`${'*'.repeat(60)}x ${publicKey}`, 'h'.repeat(60))).toBe('unknown');
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
        // A valid line is found whatever surrounds it.
        expect(judge(`${words.join('')}\nhost ${publicKey}`)).toBe('known');
      }),
    );
  });

  it('prints the fingerprint as ssh-keygen does', async () => {
    const { stdout } = await execa('ssh-keygen', ['-l', '-f', join(folder, 'one.pub')]);
    expect(stdout).toContain(hostKeyFingerprint(blob(publicKey)));
  });
});
