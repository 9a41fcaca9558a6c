import { execa } from 'execa';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { isFinished, parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';
import { onTerminal } from '../support/terminal.ts';
import { differences, unmarked } from '../support/trees.ts';

let folder: string;
let server: TestServer;
let other: TestServer;
let count = 0;
let home: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-init-'));
  server = await startSshd(folder);
  mkdirSync(`${folder}/other`);
  other = await startSshd(`${folder}/other`);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
  for (let one = 1; one <= count; one += 1)
    rmSync(`/var/lib/isocket/test-${process.pid}-${one}`, { recursive: true, force: true });
});
beforeEach(() => {
  count += 1;
  home = `${folder}/home${count}`;
  const { writeFiles, closeDirectory } = parser(`${home}/datas`);
  writeFiles('DC1', 5);
  closeDirectory('DC1');
  writeFiles('DC2', 2);
});

const isocket = (...args: string[]) =>
  execa(process.execPath, [CLI, ...args], {
    cwd: home,
    reject: false,
    stdin: 'ignore',
    extendEnv: false,
    env: { PATH: '/usr/bin:/bin', HOME: home },
  });

const fingerprintOf = async (of: TestServer): Promise<string> => {
  const { stdout } = await execa('ssh-keygen', ['-lf', of.knownHosts.replace(/known_hosts$/, 'host_key.pub')]);
  return stdout.split(' ')[1] ?? '';
};

const authorize = (of: TestServer, publicKeyFile: string): void =>
  appendFileSync(of.identityFile.replace(/user_key$/, 'authorized_keys'), readFileSync(publicKeyFile, 'utf8'));

/** The state of root's sites is in /var/lib: each test's root has a site of its own. */
const siteName = (): string => `test-${process.pid}-${count}`;

const flags = (to: TestServer): string[] => [
  ...['--site', siteName(), '--root', `${home}/datas`, '--tag', 'DC', '--host', '127.0.0.1', '--port', String(to.port)],
  ...['--user', 'root', '--path', `${to.path}/${count}`],
];

// Two hosts, three commands, and every wrong answer on the way answered by a sentence.
it('a newcomer stands a site: init, check, scan', async () => {
  const closed = await freePort();
  const fingerprint = await fingerprintOf(server);
  const { exitCode, screen } = await onTerminal([process.execPath, CLI, 'init'], {
    cwd: home,
    home,
    answers: [
      ['Name of this site', 'a/b'],
      ['expected a name without "/"', siteName()],
      ['Folder under which', `${home}/nowhere`],
      ['is not there: create it', `${home}/datas`],
      ['[DC]', ''],
      ['Transport: sftp, rsync, rclone [sftp]', 'ftp'],
      ['one of sftp, rsync, rclone', ''],
      ['Destination host', ''],
      ['a host is needed', '127.0.0.1'],
      ['SSH port [22]', 'ssh'],
      ['expected a whole number from 1 to 65535', String(closed)],
      ['nothing listens there', ''],
      ['all the same? [y/N]', ''],
      ['Destination host [127.0.0.1]', ''],
      [`port [${closed}]`, String(server.port)],
      ['User there [root]', ''],
      [`Folder there [/backup/${siteName()}]`, `${server.path}/${count}`],
      ['Private key [~/.ssh/id_ed25519]', ''],
      ['Make it? [Y/n]', ''],
      [`is ${fingerprint}. Is this the right one? [y/N]`, 'y'],
    ].filter(([question]) => question !== 'nothing listens there') as [string, string][],
  });
  expect(screen).toContain('nothing listens there');
  expect(exitCode, screen).toBe(0);
  expect(screen).toContain('next: isocket check');
  expect(statSync(`${home}/.isocketrc`).mode & 0o777).toBe(0o600);
  expect(statSync(`${home}/.ssh/id_ed25519`).mode & 0o777).toBe(0o600);
  // A real ssh-keygen takes the key for one.
  await execa('ssh-keygen', ['-yf', `${home}/.ssh/id_ed25519`]);
  const publicKey = readFileSync(`${home}/.ssh/id_ed25519.pub`, 'utf8').trim();
  expect(screen).toContain(publicKey);
  expect(screen).toContain(`ssh-keygen -e -f ${home}/.ssh/id_ed25519.pub`);

  const early = await isocket('check');
  expect(early.exitCode).toBe(3);
  expect(early.stdout).toMatch(/failure {2}login .*\n.*authorized_keys/);
  authorize(server, `${home}/.ssh/id_ed25519.pub`);
  const checked = await isocket('check');
  expect(checked.exitCode, checked.stdout).toBe(0);
  const scanned = await isocket('scan');
  expect(scanned.exitCode, scanned.stderr).toBe(0);
  expect(differences(`${home}/datas/DC1`, `${server.folder}/${count}/DC1`)).toEqual([]);
  expect(unmarked(`${home}/datas/DC1`)).toEqual([]);
  expect(isFinished(`${home}/datas`, 'DC1')).toBe(true);
});

it('does all of it by flags, and says everything that is missing at once', async () => {
  const missing = await isocket('init', '--yes');
  expect(missing.exitCode).toBe(2);
  expect(missing.stderr).toContain('--host');
  expect(missing.stderr).toContain('--root');
  expect(existsSync(`${home}/.isocketrc`)).toBe(false);

  const fingerprint = await fingerprintOf(other);
  const { exitCode, stdout } = await isocket('init', '--json', '--yes', '--make-key', '--accept-host-key', fingerprint, ...flags(other)); // prettier-ignore
  expect(exitCode).toBe(0);
  const result = JSON.parse(stdout) as Record<string, string>;
  expect(result).toMatchObject({
    type: 'init',
    config: `${home}/.isocketrc`,
    hostKey: fingerprint,
    next: 'isocket check',
  });
  expect(result.publicKey).toMatch(new RegExp(`^ssh-ed25519 \\S+ isocket@${siteName()}$`));
  authorize(other, `${home}/.ssh/id_ed25519.pub`);
  expect((await isocket('check', '--quiet')).exitCode).toBe(0);
  // Every comment of the sample is in it.
  const written = readFileSync(`${home}/.isocketrc`, 'utf8');
  expect(written).toContain('# a file is marked only when the destination has it');
  // What it refers to is found from anywhere.
  const named = [...written.matchAll(/[\w./-]*(?:docs|templates)\/[\w.-]+/g)].map(([name]) => name);
  expect(named.some((name) => name.endsWith('/docs/being-told.md'))).toBe(true);
  expect(named.filter((name) => !name.startsWith('/') || !existsSync(name))).toEqual([]);
});

it('does all of it for rsync: init, check, scan', async () => {
  const { exitCode, stderr } = await isocket('init', '--transport', 'rsync', '--yes', '--make-key', '--accept-host-key', await fingerprintOf(other), ...flags(other)); // prettier-ignore
  expect(exitCode, stderr).toBe(0);
  const written = readFileSync(`${home}/.isocketrc`, 'utf8');
  expect(written).toContain('transport: rsync # rsync and ssh at both ends');
  expect(written).not.toMatch(/ssh: builtin|allowDeleteFirst/); // Keys of the other transport.
  authorize(other, `${home}/.ssh/id_ed25519.pub`);
  const checked = await isocket('check');
  expect(checked.exitCode, checked.stdout).toBe(0);
  expect(checked.stdout).toMatch(/^ok {7}write /m);
  const scanned = await isocket('scan');
  expect(scanned.exitCode, scanned.stderr).toBe(0);
  expect(differences(`${home}/datas/DC1`, `${other.folder}/${count}/DC1`)).toEqual([]);
  expect(unmarked(`${home}/datas/DC1`)).toEqual([]);
  expect(isFinished(`${home}/datas`, 'DC1')).toBe(true);
});

it('does all of it for rclone, which has no host and no key of ours: init, check, scan', async () => {
  const there = `${folder}/rclone${count}`;
  const of = ['--transport', 'rclone', '--site', siteName(), '--root', `${home}/datas`, '--tag', 'DC', '--yes'];
  const { exitCode, stderr } = await isocket('init', ...of, '--remote', there);
  expect(exitCode, stderr).toBe(0);
  const written = readFileSync(`${home}/.isocketrc`, 'utf8');
  expect(written).toContain(`  remote: ${there} #`);
  expect(written).toContain(`  path: ${siteName()} #`);
  const checked = await isocket('check');
  expect(checked.exitCode, checked.stdout).toBe(0);
  const scanned = await isocket('scan');
  expect(scanned.exitCode, scanned.stderr).toBe(0);
  expect(differences(`${home}/datas/DC1`, `${there}/${siteName()}/DC1`, { contentOnly: true })).toEqual([]);
  expect(isFinished(`${home}/datas`, 'DC1')).toBe(true);

  rmSync(`${home}/.isocketrc`);
  for (const wrong of [['--host', 'x', '--remote', there], ['--make-key', '--remote', there], []]) {
    const refused = await isocket('init', ...of, ...wrong);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain(wrong[0] ?? '--remote');
  }
  expect(existsSync(`${home}/.isocketrc`)).toBe(false);
});

it('never overwrites', async () => {
  writeFileSync(`${home}/.isocketrc.json`, '{}');
  const { exitCode, stderr } = await isocket('init', '--yes', ...flags(server));
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`"${home}/.isocketrc.json" is there already`);
  expect(existsSync(`${home}/.isocketrc`)).toBe(false);
  expect(readFileSync(`${home}/.isocketrc.json`, 'utf8')).toBe('{}');
});

it('writes nothing where the fingerprint is another', async () => {
  const wrong = await fingerprintOf(other);
  const { exitCode, stderr } = await isocket('init', '--yes', '--accept-host-key', wrong, ...flags(server));
  expect(exitCode).toBe(3);
  expect(stderr).toContain(`is ${await fingerprintOf(server)}, not ${wrong}`);
  expect(existsSync(`${home}/.isocketrc`)).toBe(false);
  expect(existsSync(`${home}/.ssh/known_hosts`)).toBe(false);
});

it('trusts nobody unasked', async () => {
  const { exitCode, stdout } = await isocket('init', '--yes', ...flags(server));
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`${await fingerprintOf(server)} is NOT trusted yet`);
  expect(existsSync(`${home}/.ssh/known_hosts`)).toBe(false);
  // What check says then is a line that can be pasted.
  const { stdout: checked } = await isocket('check');
  const fix = /echo '[^']+' >> \S+/.exec(checked)?.[0] ?? '';
  mkdirSync(`${home}/.ssh`);
  await execa('sh', ['-c', fix], { env: { HOME: home } });
  expect((await isocket('check')).stdout).toMatch(/^ok {7}host key/m);
});

it('an invalid flag is reported by the configuration’s own rule', async () => {
  const { exitCode, stderr } = await isocket('init', '--yes', ...flags(server), '--port', '70000');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('Cannot use --port: "70000" is not valid: expected a whole number from 1 to 65535');
});

it('stopped in the middle it leaves nothing', async () => {
  const { exitCode, screen } = await onTerminal([process.execPath, CLI, 'init'], {
    cwd: home,
    home,
    answers: [['Name of this site', '\u0004']],
  });
  expect(exitCode).toBe(2);
  expect(screen).toContain('Stopped: the configuration was not written');
  expect(existsSync(`${home}/.isocketrc`)).toBe(false);
});
