import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAuthorizedKeys } from '../../../src/receiver/authorized-keys.ts';
import { KeyFolders } from '../../../src/receiver/key-folders.ts';
import { openKeys } from '../../../src/receiver/keys-file.ts';
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

describe('a file of keys', () => {
  const problems: string[] = [];
  const warnings: string[] = [];
  const open = (file: string) => {
    problems.length = warnings.length = 0;
    return openKeys(
      { file },
      (read) => warnings.push(...read.warnings),
      (problem) => void problems.push(problem),
    );
  };

  it('that is emptied, or cannot be read, is a problem that is told once, and over once a key is back', () => {
    const file = join(home, 'keys');
    fs.writeFileSync(file, `${key}\n`);
    const ring = open(file);
    expect(ring.problem()).toBe('');
    fs.writeFileSync(file, '# nobody\n');
    for (let look = 0; look < 2; look += 1) expect(ring.current().size).toBe(0);
    expect(ring.problem()).toMatch(/^No key in the authorized keys ".*keys" is accepted; nobody gets in/);
    fs.rmSync(file);
    for (let look = 0; look < 2; look += 1) expect(ring.current().size).toBe(0);
    expect(ring.problem()).toMatch(/^Cannot read the authorized keys/);
    ring.reload();
    fs.writeFileSync(file, `${key}\n`);
    expect(ring.current().size).toBe(1);
    expect(problems).toEqual([
      expect.stringContaining('No key in'),
      expect.stringContaining('Cannot read'),
      expect.stringContaining('Cannot read'),
      '',
    ]);
  });

  it('that others may write is told, and taken all the same', () => {
    const file = join(home, 'keys');
    fs.writeFileSync(file, `${key}\n`);
    fs.chmodSync(file, 0o664);
    const ring = open(file);
    expect(ring.current().size).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/keys" can be written by other users \(mode 0664\).*chmod go-w/)]);
    fs.chmodSync(file, 0o640);
    expect(ring.current().size).toBe(1);
    expect(warnings).toHaveLength(1);
  });

  it('names a folder that is missing, and says when it is there', () => {
    const said: string[] = [];
    const folders = new KeyFolders(home, (_, message) => void said.push(message));
    const keys = parseAuthorizedKeys(`path="ED1" ${key}\n`);
    for (let look = 0; look < 2; look += 1) folders.look(keys);
    expect(folders.problems).toEqual([
      'path="ED1" in line 1 of the authorized keys cannot be opened below the root: no such file or directory; make the folder, the key gets nothing before',
    ]);
    fs.mkdirSync(join(home, 'ED1'));
    folders.look(keys);
    expect(folders.problems).toEqual([]);
    expect(said).toEqual([expect.stringContaining('cannot be opened'), expect.stringContaining('is there')]);
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
