import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  hostKeyFingerprint,
  judgeHostKey,
  knownKeyTypes,
  parseKnownHosts,
} from '../../src/transports/sftp/known-hosts.ts';
import { makeKey } from '../support/keys.ts';

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

  it('asks for the kinds of key that the file has, in its order', () => {
    const rsa = `host ssh-rsa AAAA`;
    expect(knownKeyTypes(parseKnownHosts(`${rsa}\nhost ${line}`), { host: 'host', port: 22 })).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-ed25519',
    ]);
  });

  it('prints the fingerprint as ssh-keygen does', async () => {
    const { stdout } = await execa('ssh-keygen', ['-l', '-f', join(folder, 'one.pub')]);
    expect(stdout).toContain(hostKeyFingerprint(blob(line)));
  });
});
