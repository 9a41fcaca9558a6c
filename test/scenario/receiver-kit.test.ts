import { execa } from 'execa';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writtenOrOver } from '../support/far-end.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

const KIT = new URL('../../templates/receiver', import.meta.url).pathname;
const kit = (name: string): string => readFileSync(`${KIT}/${name}`, 'utf8');
/** An account that every Debian has, with nologin as its shell. */
const ACCOUNT = { name: 'nobody', uid: 65_534, gid: 65_534 };

// sshd requires every folder above a chroot to be writable by root alone: /tmp is not.
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join('/run', 'isocket-kit-'));
  chmodSync(folder, 0o755);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const sshOptions = ({ identityFile, knownHosts }: TestServer): string[] => [
  ...['-F', 'none', '-o', `IdentityFile=${identityFile}`, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
  ...['-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'LogLevel=ERROR'],
];

/** Every path below the root, files with their content. */
const contentBelow = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${path} ${entry.isFile() ? readFileSync(path, 'base64') : ''}`;
  });

const expectNoShell = async (server: TestServer, user: string): Promise<void> => {
  const ssh = (...words: string[]) =>
    execa('ssh', [...sshOptions(server), '-p', String(server.port), `${user}@127.0.0.1`, ...words], {
      reject: false,
      stdin: 'ignore',
      timeout: 20_000,
    });
  for (const words of [['id'], ['-tt', 'id'], [], ['sh -c id'], ['scp -f /etc/passwd']]) {
    const { stdout, exitCode } = await ssh(...words);
    expect(stdout, words.join(' ')).not.toMatch(/uid=|root:/);
    expect(exitCode, words.join(' ')).not.toBe(0);
  }
  const forwarded = await ssh('-W', `127.0.0.1:${server.port}`);
  expect(forwarded.stdout).not.toContain('SSH-2.0');
};

const expectAddsOnly = async (server: TestServer, user: string, inside: string, far: string): Promise<void> => {
  const before = contentBelow(far);
  expect(before.length).toBeGreaterThan(0);
  const attempts = [
    `get ${inside}/DC1/file-1 ${folder}/stolen`,
    `rm ${inside}/DC1/file-1`,
    `rmdir ${inside}/DC1`,
    `ln ${inside}/DC1/file-1 ${inside}/again`,
    `ln -s /etc/passwd ${inside}/passwd`,
    `chmod 777 ${inside}/DC1/file-1`,
    `get /etc/passwd ${folder}/passwd`,
  ];
  for (const attempt of attempts) {
    const { exitCode } = await execa(
      'sftp',
      [...sshOptions(server), '-q', '-P', String(server.port), '-b', '-', `${user}@127.0.0.1`],
      { input: `${attempt}\n`, reject: false, timeout: 20_000 },
    );
    expect(exitCode, attempt).not.toBe(0);
  }
  expect(contentBelow(far)).toEqual(before);
  for (const name of ['stolen', 'passwd'])
    expect(existsSync(`${folder}/${name}`) && readFileSync(`${folder}/${name}`).length > 0).toBe(false);
};

it('the Match block: isocket sends durably into the chroot, and the key can neither read, delete, link nor run anything', async () => {
  const base = `${folder}/match`;
  const chroot = `${base}/backup`;
  const far = `${chroot}/ED1`;
  mkdirSync(far, { recursive: true });
  chownSync(far, ACCOUNT.uid, ACCOUNT.gid);
  const block = kit('sshd_config.match')
    .replace('Match User isocket', `Match User ${ACCOUNT.name}`)
    .replaceAll('/etc/ssh/isocket_authorized_keys', `${base}/sshd/authorized_keys`)
    .replace('ChrootDirectory /backup', `ChrootDirectory ${chroot}`);
  await using server = await startSshd(base, { config: block.split('\n') });
  const site = makeSite(base, server, {
    destination: { user: ACCOUNT.name, path: '/ED1' },
    more: { send: { durable: true } },
  });
  const { writeFiles, writeFile, closeDirectory } = parser(site.root);
  writeFiles('DC1', 10);
  writeFile('DC1/sub/big', 9_000_000);
  closeDirectory('DC1');
  const checked = await site.run(['check']);
  expect(checked.exitCode, checked.stdout).toBe(0);
  expect(checked.stdout).toMatch(/^warning {2}clean up .*the server refuses REMOVE/m);
  const { exitCode, stdout } = await site.scan();
  expect(exitCode, stdout).toBe(0);
  expect(differences(`${site.root}/DC1`, `${far}/DC1`)).toEqual([]);
  expect(unmarked(`${site.root}/DC1`)).toEqual([]);
  await expectAddsOnly(server, ACCOUNT.name, '/ED1', far);
  await expectNoShell(server, ACCOUNT.name);
});

/** A line of the kit, with this server's key and folder. */
const restricted = (transport: string, server: TestServer, backup: string): string => {
  const lines = kit('authorized_keys').split('\n');
  const at = lines.findIndex((line) => line.startsWith(`# transport: ${transport}`));
  const line = lines.slice(at).find((one) => one.startsWith('restrict,')) ?? '';
  const key = readFileSync(`${server.identityFile}.pub`, 'utf8').trim();
  return line.replace(/ssh-ed25519 .*$/, key).replaceAll('/backup/ED1', backup);
};

it('the sftp line of authorized_keys: the same for an account without a Match block', async () => {
  const base = `${folder}/line`;
  await using server = await startSshd(base, { config: ['PermitRootLogin yes'] });
  writeFileSync(`${base}/sshd/authorized_keys`, `${restricted('sftp', server, '')}\n`);
  const site = makeSite(base, server);
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 5);
  closeDirectory('DC1');
  const { exitCode, stdout } = await site.scan();
  expect(exitCode, stdout).toBe(0);
  expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
  await expectAddsOnly(server, 'root', server.path, server.folder);
  await expectNoShell(server, 'root');
});

it('an interrupted big file arrives, although its temporary file can be neither read back nor removed', async () => {
  const base = `${folder}/cut-off`;
  await using server = await startSshd(base, { config: ['PermitRootLogin yes'] });
  writeFileSync(`${base}/sshd/authorized_keys`, `${restricted('sftp', server, '')}\n`);
  // Slow enough to interrupt it in the middle.
  const site = makeSite(base, server, { more: { send: { durable: false, bandwidth: '24MB/s' } } });
  const { writeFile, closeDirectory } = parser(site.root);
  writeFile('DC1/big', 24_000_000);
  closeDirectory('DC1');
  await using scan = site.start(['scan']);
  expect(await writtenOrOver(server.folder, 6_000_000, scan)).toBe('written');
  await scan.stop('SIGKILL');
  const { exitCode, stdout } = await site.scan();
  expect(exitCode, stdout).toBe(0);
  expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
});

it('the rrsync line of authorized_keys: isocket sends durably, and the key can write below its folder, but neither read, delete nor run anything', async () => {
  const base = `${folder}/rrsync`;
  await using server = await startSshd(base, { config: ['PermitRootLogin yes'] });
  writeFileSync(`${base}/sshd/authorized_keys`, `${restricted('rsync', server, server.folder)}\n`);
  const site = makeSite(base, server, {
    destination: { transport: 'rsync', path: '.' },
    more: { send: { durable: true } },
  });
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 3);
  closeDirectory('DC1');
  const { exitCode: sent, stdout } = await site.scan();
  expect(sent, stdout).toBe(0);
  expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
  const rsync = (...words: string[]) =>
    execa('rsync', ['-e', ['ssh', ...sshOptions(server), '-p', String(server.port)].join(' '), ...words], {
      reject: false,
      timeout: 30_000,
    });
  const before = contentBelow(server.folder);
  rmSync(`${site.root}/DC1/file-1`);
  for (const words of [
    ['-r', 'root@127.0.0.1:DC1', `${base}/stolen`],
    ['-r', '--delete', `${site.root}/DC1`, 'root@127.0.0.1:'],
    ['-r', '--remove-source-files', 'root@127.0.0.1:DC1', `${base}/moved`],
    [`${site.root}/DC1/file-2`, 'root@127.0.0.1:../outside'],
  ]) {
    const { exitCode } = await rsync(...words);
    expect(exitCode, words.join(' ')).not.toBe(0);
  }
  expect(contentBelow(server.folder)).toEqual(before);
  for (const name of ['stolen', 'moved', 'outside'])
    expect(existsSync(`${base}/${name}`) && readdirSync(`${base}/${name}`).length > 0).toBe(false);
  await expectNoShell(server, 'root');
});
