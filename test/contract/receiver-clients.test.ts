import { execa } from 'execa';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startReceiverProcess, type ReceiverProcess } from '../support/receiver-process.ts';

// The clients of docs/receiver.md against --atomic-puts, and what they make of a `chown` that is refused.

const MTIME = 1_500_000_000;

let folder: string;
let server: ReceiverProcess;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-clients-'));
  server = await startReceiverProcess(folder, { args: ['--atomic-puts'] });
  for (const [name, content] of [
    ['one', 'first'],
    ['two', 'second, and longer'],
  ] as const) {
    writeFileSync(`${folder}/${name}`, content);
    chmodSync(`${folder}/${name}`, 0o640);
    utimesSync(`${folder}/${name}`, MTIME, MTIME);
  }
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const run = (file: string, args: readonly string[], options: { input?: string; env?: Record<string, string> } = {}) =>
  execa(file, args, { reject: false, timeout: 30_000, all: true, ...options });
const at = (name: string): string => `${server.folder}/${name}`;
const content = (name: string): string => readFileSync(at(name), 'utf8');
const ssh = (): string =>
  `ssh -F none -a -x -i ${server.identityFile} -o IdentitiesOnly=yes -o UserKnownHostsFile=${server.knownHosts}`;
/** Nothing has a temporary name any more. */
const isTidy = (...names: string[]): void => expect(readdirSync(server.folder).toSorted()).toEqual(names);

describe('rclone', () => {
  const rclone = (...args: string[]) => run('rclone', args, { env: { RCLONE_CONFIG: '/dev/null' } });
  const remote = (name: string): string =>
    `:sftp,host=127.0.0.1,port=${server.port},user=x,key_file=${server.identityFile},known_hosts_file=${server.knownHosts},shell_type=none:${name}`;

  it('puts, replaces, keeps times, gets, checks and removes', async () => {
    for (const name of ['one', 'two']) {
      expect(await rclone('copyto', `${folder}/${name}`, remote('/file'))).toMatchObject({ exitCode: 0 });
      expect(content('file')).toBe(readFileSync(`${folder}/${name}`, 'utf8'));
    }
    expect(statSync(at('file')).mtimeMs).toBe(MTIME * 1000);
    expect(await rclone('copyto', remote('/file'), `${folder}/back`)).toMatchObject({ exitCode: 0 });
    expect(await rclone('moveto', remote('/file'), remote('/other'))).toMatchObject({ exitCode: 0 });
    isTidy('other');
    expect(await rclone('deletefile', remote('/other'))).toMatchObject({ exitCode: 0 });
    isTidy();
  });

  it('adds to an append-only receiver where it sets no times', async () => {
    await using only = await startReceiverProcess(`${folder}/only`, { args: ['--append-only'] });
    const there = `:sftp,host=127.0.0.1,port=${only.port},user=x,key_file=${only.identityFile},known_hosts_file=${only.knownHosts},shell_type=none:/`;
    const copy = (name: string, ...more: string[]) =>
      rclone('copyto', ...more, '--retries=1', `${folder}/one`, `${there}${name}`);
    expect((await copy('with-times')).exitCode).not.toBe(0);
    for (let time = 0; time < 2; time += 1)
      expect(await copy('kept', '--sftp-set-modtime=false', '--size-only')).toMatchObject({ exitCode: 0 });
    expect(readFileSync(`${only.folder}/kept`, 'utf8')).toBe(readFileSync(`${folder}/one`, 'utf8'));
  });
});

describe('lftp', () => {
  const lftp = (commands: string) =>
    run('lftp', [
      '-c',
      `set sftp:connect-program "${ssh()}"; open -u x,x -p ${server.port} sftp://127.0.0.1; ${commands}`,
    ]);

  it('puts, replaces, mirrors a tree with its times, and removes', async () => {
    for (const name of ['one', 'two']) {
      expect(await lftp(`put ${folder}/${name} -o file`)).toMatchObject({ exitCode: 0 });
      expect(content('file')).toBe(readFileSync(`${folder}/${name}`, 'utf8'));
    }
    mkdirSync(`${folder}/tree/sub`, { recursive: true });
    for (const name of ['a', 'sub/b']) {
      writeFileSync(`${folder}/tree/${name}`, name);
      utimesSync(`${folder}/tree/${name}`, MTIME, MTIME);
    }
    expect(await lftp(`mirror -R ${folder}/tree tree`)).toMatchObject({ exitCode: 0 });
    expect([content('tree/sub/b'), statSync(at('tree/a')).mtimeMs]).toEqual(['sub/b', MTIME * 1000]);
    expect(await lftp('rm -r tree; rm file')).toMatchObject({ exitCode: 0 });
    isTidy();
  });
});

describe('curl', () => {
  const curl = (...args: string[]) =>
    run('curl', [
      ...['-sS', '-u', 'x:', '--key', server.identityFile, '--pubkey', `${server.identityFile}.pub`, '-k'],
      ...args,
    ]);
  const url = (name: string): string => `sftp://127.0.0.1:${server.port}/${name}`;

  it('puts, replaces, makes folders, gets, renames; a chown fails', async () => {
    for (const name of ['one', 'two']) {
      expect(await curl('--ftp-create-dirs', '-T', `${folder}/${name}`, url('d/file'))).toMatchObject({ exitCode: 0 });
      expect(content('d/file')).toBe(readFileSync(`${folder}/${name}`, 'utf8'));
    }
    expect((await curl(url('d/file'))).stdout).toBe(content('d/file'));
    expect(await curl('-Q', 'rename /d/file /d/other', url('d/'))).toMatchObject({ exitCode: 0 });
    expect(readdirSync(at('d'))).toEqual(['other']);
    const refused = await curl('-Q', 'chown 1 /d/other', url('d/'));
    expect(refused.exitCode).toBe(21); // CURLE_QUOTE_ERROR
    expect(refused.all).toContain('Permission denied');
  });
});

describe('psftp', () => {
  it('puts, replaces, gets, renames, and removes', async () => {
    await run('puttygen', [server.identityFile, '-O', 'private', '-o', `${folder}/key.ppk`]);
    const [, , hostKey = ''] = /^(\S+) (\S+) (\S+)/.exec(readFileSync(server.knownHosts, 'utf8')) ?? [];
    expect(hostKey).toBe('ssh-ed25519');
    const fingerprint = /SHA256:\S{43}/.exec(server.said())?.[0] ?? '';
    const commands = `put ${folder}/one file\nput ${folder}/two file\nget file ${folder}/back\nmv file other\n`;
    const outcome = await run(
      'psftp',
      ['-batch', '-hostkey', fingerprint, '-i', `${folder}/key.ppk`, '-P', String(server.port), 'x@127.0.0.1'],
      { input: commands, env: { HOME: folder } },
    );
    expect(outcome.exitCode, outcome.all).toBe(0);
    expect(content('other')).toBe(readFileSync(`${folder}/two`, 'utf8'));
    expect(readFileSync(`${folder}/back`, 'utf8')).toBe(content('other'));
    isTidy('other');
  });
});

describe('sshfs', () => {
  it('copies, replaces, appends, moves; a chown is "permission denied"', async () => {
    const mounted = `${folder}/mounted`;
    mkdirSync(mounted);
    const options = [`ssh_command=${ssh()}`, `port=${server.port}`, 'BatchMode=yes'];
    const mount = await run('sshfs', ['x@127.0.0.1:/', mounted, ...options.flatMap((option) => ['-o', option])]);
    expect(mount.exitCode, mount.all).toBe(0);
    try {
      expect(await run('cp', ['-p', `${folder}/one`, `${mounted}/file`])).toMatchObject({ exitCode: 0 });
      // It does not wait for the reply to CLOSE.
      await expect.poll(() => content('file')).toBe('first');
      expect(statSync(at('file')).mtimeMs).toBe(MTIME * 1000);
      expect(await run('cp', [`${folder}/two`, `${mounted}/file`])).toMatchObject({ exitCode: 0 });
      expect(await run('sh', ['-c', `echo more >>${mounted}/file`])).toMatchObject({ exitCode: 0 });
      await expect.poll(() => content('file')).toBe('second, and longermore\n');
      expect(await run('mv', [`${mounted}/file`, `${mounted}/other`])).toMatchObject({ exitCode: 0 });
      const refused = await run('chown', ['1', `${mounted}/other`]);
      expect([refused.exitCode, refused.all]).toEqual([1, expect.stringContaining('Permission denied')]);
      isTidy('other');
    } finally {
      await run('fusermount3', ['-u', mounted]);
    }
  });
});

describe('OpenSSH', () => {
  it('sftp says that a chown is refused, and ends with 1 or goes on as it is told; scp -p keeps times', async () => {
    const options = ssh()
      .split(' ')
      .slice(1)
      .filter((option) => !['-a', '-x'].includes(option));
    for (const [chown, exitCode] of [
      ['chown', 1],
      ['-chown', 0],
    ] as const) {
      const outcome = await run('sftp', [...options, '-P', String(server.port), '-b', '-', 'x@127.0.0.1'], {
        input: `put -p ${folder}/one file\n${chown} 1 file\nput ${folder}/two file\n`,
      });
      expect(outcome).toMatchObject({ exitCode, all: expect.stringContaining('Permission denied') as string });
    }
    const copied = await run('scp', [
      ...options,
      '-p',
      '-P',
      String(server.port),
      `${folder}/one`,
      'x@127.0.0.1:/copy',
    ]);
    expect(copied.exitCode, copied.all).toBe(0);
    expect(statSync(at('copy')).mtimeMs).toBe(MTIME * 1000);
    isTidy('copy', 'file');
  });
});
