import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAuthorizedKeys } from '../../../src/receiver/authorized-keys.ts';
import { loadHostKey, parseHostKey } from '../../../src/receiver/host-key.ts';

let home: string;
let key: string;

beforeAll(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-keys-'));
  execFileSync('ssh-keygen', [
    '-q',
    '-t',
    'ed25519',
    '-N',
    '',
    '-C',
    'a comment, with blanks',
    '-f',
    join(home, 'key'),
  ]);
  key = fs.readFileSync(join(home, 'key.pub'), 'utf8').trim();
});

afterAll(() => fs.rmSync(home, { recursive: true }));

describe('authorized keys', () => {
  it('never repeats a private key that was named by mistake', () => {
    const text = fs.readFileSync(join(home, 'key'), 'utf8');
    for (const named of [text, text.split('\n').slice(1).join('\n')]) {
      const { size, warnings } = parseAuthorizedKeys(named);
      expect(size).toBe(0);
      expect(warnings.length).toBeGreaterThan(0);
      for (const line of text.split('\n').slice(1, -2)) expect(warnings.join('\n')).not.toContain(line.slice(0, 20));
    }
  });

  it.each([
    ['plain', () => key],
    ['with blanks around it', () => `  \t${key}  `],
    ['with a Windows line ending', () => `${key}\r`],
    ['with tabs between its parts', () => key.replaceAll(' ', '\t')],
    ['with restrict', () => `restrict ${key}`],
    [
      'with what restrict means',
      () => `no-pty,no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-user-rc ${key}`,
    ],
    ['among comments and empty lines', () => `# ssh-ed25519 AAAA\n\n${key}\n\n`],
  ])('a key %s is accepted', (_, text) => {
    expect(parseAuthorizedKeys(text())).toMatchObject({ size: 1, warnings: [] });
  });

  it.each([
    ['a command', () => `command="rrsync -wo /data" ${key}`, 'command'],
    ['a command after restrict', () => `restrict,command="a \\"b\\", c" ${key}`, 'command'],
    ['a certificate authority', () => `cert-authority ${key}`, 'cert-authority'],
    ['restrict lifted again', () => `restrict,pty ${key}`, 'pty'],
    ['an option with a key inside', () => `x="${key}"`, 'x'],
  ])('a line with %s is ignored, with a warning', (_, text, option) => {
    const parsed = parseAuthorizedKeys(text());
    expect(parsed.size).toBe(0);
    expect(parsed.warnings).toEqual([
      expect.stringContaining(`line 1 of the authorized keys is ignored: the option "${option}"`),
    ]);
  });

  it.each([
    ['arbitrary text', 'hello'],
    ['a truncated key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5'],
    [
      'a type that does not match the key',
      'ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAILxrg5gLyJ6nrJrOwWqbv8ckmeAuFqUooqKLiifYkt3K',
    ],
    ['a security key', 'sk-ssh-ed25519@openssh.com AAAA'],
  ])('%s is ignored', (_, text) => {
    const parsed = parseAuthorizedKeys(text);
    expect(parsed.size).toBe(0);
    expect(parsed.warnings).toHaveLength(1);
  });

  it('a private key is not accepted', () => {
    expect(parseAuthorizedKeys(fs.readFileSync(join(home, 'key'), 'utf8')).size).toBe(0);
  });
});

describe('the host key', () => {
  it('always works, although ssh2 sometimes generates broken keys', () => {
    for (let round = 0; round < 300; round += 1) {
      const file = join(home, `host-key-${round}`);
      expect(parseHostKey(loadHostKey(file)).getPublicSSH().length).toBe(51);
    }
    const line = execFileSync('ssh-keygen', ['-y', '-f', join(home, 'host-key-0')], { encoding: 'utf8' });
    expect(line).toMatch(/^ssh-ed25519 /);
  });

  it('is reused, not generated again', () => {
    const file = join(home, 'kept');
    expect(loadHostKey(file)).toBe(loadHostKey(file));
  });
});
