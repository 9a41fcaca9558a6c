import { execa } from 'execa';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { makeKey } from '../support/keys.ts';
import { freePort } from '../support/ports.ts';
import { startReceiverProcess, type ReceiverProcess } from '../support/receiver-process.ts';

const SOON = { timeout: 20_000 };

let folder: string;
let server: ReceiverProcess;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-receiver-process-'));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const start = async (limits: object = {}): Promise<void> => {
  writeLimits(limits);
  server = await startReceiverProcess(folder, { args: ['--config', `${folder}/rc.json`, '--verbose'] });
};
/** All else is given by options. */
const writeLimits = (limits: object, more: object = {}): void => {
  const receive = { root: '/', listen: '127.0.0.1:1', authorizedKeys: '/none', limits, ...more };
  writeFileSync(`${folder}/rc.json`, JSON.stringify({ receive }), { mode: 0o600 });
};

const sshOptions = (key = server.identityFile): string[] => [
  ...['-F', 'none', '-i', key, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR'],
  ...['-o', `UserKnownHostsFile=${server.knownHosts}`],
];
/** An `sftp` that stays until its input ends. */
const openSftp = (more: readonly string[] = [], key?: string) =>
  execa('sftp', [...sshOptions(key), ...more, '-P', String(server.port), '-b', '-', 'x@127.0.0.1'], {
    stdin: 'pipe',
    reject: false,
  });
const logsIn = async (key?: string): Promise<boolean> => {
  const client = openSftp([], key);
  client.stdin.end('pwd\n');
  return (await client).exitCode === 0;
};
const SIGHUP = 1;
/** Whether a process has a handler for a signal. */
const catches = (pid: number, signal: number): boolean => {
  const caught = /^SigCgt:\s*([\da-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${caught}`) >> BigInt(signal - 1)) & 1n) === 1n;
};
const spawnUntilDisposed = (args: readonly string[]) => {
  const child = execa(process.execPath, args, { reject: false, buffer: false, all: true });
  let said = '';
  child.all.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return {
    pid: child.pid ?? 0,
    said: () => said,
    kill: (signal: 'SIGHUP') => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child;
    },
  };
};
/** A put of 3 MB that takes three seconds. */
const slowPut = (name: string) => {
  writeFileSync(`${folder}/data`, Buffer.alloc(3 * 2 ** 20, 1));
  const client = openSftp(['-l', '8000']);
  client.stdin.end(`put ${folder}/data ${name}\n`);
  return client;
};
const isBegun = (name: string): Promise<void> =>
  expect.poll(() => existsSync(`${server.folder}/${name}`), SOON).toBe(true);

describe('SIGTERM', () => {
  it('lets a transfer end, takes nobody more, and ends with 143', async () => {
    await start({ end: '1h' });
    const client = slowPut('slow');
    await isBegun('slow');
    server.signal('SIGTERM');
    await expect.poll(() => logsIn(), SOON).toBe(false);
    expect((await client).exitCode).toBe(0);
    expect(statSync(`${server.folder}/slow`).size).toBe(3 * 2 ** 20);
    expect(await server.ended()).toBe(143);
    expect(server.said()).toContain('ending: 1 transfer is given up to 3600 s (limits.end)');
    expect(server.said()).not.toContain('second signal\n');
  });

  it('a second one ends it at once', async () => {
    await start({ end: '1h' });
    writeFileSync(`${folder}/big`, '');
    truncateSync(`${folder}/big`, 2 ** 36);
    const client = openSftp();
    client.stdin.write(`put ${folder}/big big\n`);
    await isBegun('big');
    server.signal('SIGTERM');
    await expect.poll(() => logsIn(), SOON).toBe(false);
    server.signal('SIGTERM');
    expect(await server.ended()).toBe(143);
    expect(server.said()).toContain('ended at once by a second signal\n');
    client.kill('SIGKILL');
    await client;
  });

  it('ends a transfer that takes longer than limits.end, and says so', async () => {
    await start({ end: '300ms' });
    writeFileSync(`${folder}/big`, '');
    truncateSync(`${folder}/big`, 2 ** 36);
    const client = openSftp();
    client.stdin.write(`put ${folder}/big big\n`);
    await isBegun('big');
    server.signal('SIGTERM');
    expect(await server.ended()).toBe(143);
    expect(server.said()).toContain('ended 1 client while a file was open for writing: limits.end is over');
    client.kill('SIGKILL');
    await client;
  });
});

describe('SIGHUP', () => {
  it('does not end it while it starts', async () => {
    await start();
    const { port, folder: root } = server;
    await server[Symbol.asyncDispose]();
    const files = `${folder}/receiver`;
    const [listen, hostKey, authorizedKeys] = [`127.0.0.1:${port}`, `${files}/host_key`, `${files}/authorized_keys`];
    // It waits for its configuration.
    await execa('mkfifo', ['-m', '600', `${folder}/pipe.json`]);
    await using child = spawnUntilDisposed([CLI, 'receive', '--config', `${folder}/pipe.json`]);
    await expect.poll(() => catches(child.pid, SIGHUP), SOON).toBe(true);
    child.kill('SIGHUP');
    const receive = { root, listen, hostKey, authorizedKeys, allowRoot: true };
    writeFileSync(`${folder}/pipe.json`, JSON.stringify({ receive }));
    await expect.poll(child.said, SOON).toContain('receiving into');
    expect(await logsIn()).toBe(true);
  });

  const reload = async (says = 'read the authorized keys and the limits again'): Promise<void> => {
    const before = server.said().split(says).length;
    server.signal('SIGHUP');
    await expect.poll(() => server.said().split(says).length, SOON).toBe(before + 1);
  };

  it('reads the keys again: who is gone from them ends, who came gets in', async () => {
    await start();
    const other = await makeKey(`${folder}/other`);
    expect(await logsIn(`${folder}/other`)).toBe(false);
    const client = openSftp();
    await expect.poll(server.said, SOON).toContain('logged in with the key');
    writeFileSync(`${folder}/receiver/authorized_keys`, `${other}\n`);
    await reload();
    await expect.poll(server.said, SOON).toContain('its key is not authorized any more');
    client.stdin.end();
    await client;
    expect([await logsIn(), await logsIn(`${folder}/other`)]).toEqual([false, true]);
  });

  it('reads the limits again; a configuration that is wrong changes nothing, and is told', async () => {
    await start();
    const client = openSftp();
    await expect.poll(server.said, SOON).toContain('logged in with the key');
    expect(await logsIn()).toBe(true);
    writeLimits({ connectionsPerKey: 1 });
    await reload();
    expect(await logsIn()).toBe(false);
    writeLimits({ connectionsPerKey: 'many' });
    await reload('the limits stay as they are: ');
    expect(server.said()).toMatch(
      /read the authorized keys again\n.*the limits stay as they are: [^\n]*: a problem: line 1: /,
    );
    expect(server.said()).not.toContain('\\n');
    expect(await logsIn()).toBe(false);
    writeLimits({ connectionsPerKey: 2 });
    await reload();
    expect(await logsIn()).toBe(true);
    client.stdin.end();
    await client;
  });

  it('names what needs a restart', async () => {
    await start();
    writeLimits({}, { keepVersions: true, appendOnly: true });
    await reload('receive.appendOnly, receive.keepVersions: changed in the configuration, and not in use yet; restart');
  });
});

it('with --json each event has its time, and a refused login its user, key and reason', async () => {
  server = await startReceiverProcess(folder, { args: ['--json'] });
  await makeKey(`${folder}/stranger`);
  expect(await logsIn(`${folder}/stranger`)).toBe(false);
  await expect.poll(server.said, SOON).toContain('"refused"');
  const events = server
    .said()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.map(({ time }) => new Date(String(time)).toISOString())).toEqual(events.map(({ time }) => time));
  const { stdout } = await execa('ssh-keygen', ['-lf', `${folder}/stranger`]);
  expect(events.find(({ action }) => action === 'refused')).toMatchObject({
    ...{ user: 'x', key: stdout.split(' ')[1], kind: 'key', reason: 'it is not authorized' },
  });
});

it('a second receiver on the same folder says so', async () => {
  await start();
  const port = String(await freePort());
  const files = `${folder}/receiver`;
  await using second = spawnUntilDisposed([
    ...[CLI, 'receive', '--allow-root', '--root', server.folder, '--listen', `127.0.0.1:${port}`],
    ...['--host-key', `${files}/host_key`, '--authorized-keys', `${files}/authorized_keys`],
    ...['--append-only', '--keep-versions', '--atomic-puts'],
  ]);
  await expect.poll(second.said, SOON).toContain(', append-only, keeping versions, with atomic puts, on 127.0.0.1:');
  expect(second.said()).toMatch(/another isocket receive serves ".*destination", too: /);
  expect(server.said()).not.toContain('another isocket receive');
});

describe('through a ControlMaster', () => {
  it('ssh, scp -O and rsync end with "SFTP only" and exit 1, and sftp goes on', async () => {
    await start();
    const socket = `${folder}/master`;
    const target = ['-p', String(server.port), 'x@127.0.0.1'];
    const master = execa('ssh', [...sshOptions(), '-M', '-N', '-S', socket, ...target], { reject: false });
    await expect.poll(() => existsSync(socket), SOON).toBe(true);
    const through = [...sshOptions(), '-o', `ControlPath=${socket}`, '-o', 'ControlMaster=no'];
    writeFileSync(`${folder}/data`, 'data');
    const run = (file: string, args: readonly string[]) => execa(file, args, { reject: false, timeout: 20_000 });
    const rsh = ['ssh', ...through, '-p', String(server.port)].join(' ');
    for (const [outcome, code] of [
      [await run('ssh', [...through, ...target]), 1],
      [await run('ssh', [...through, ...target, 'id']), 1],
      [await run('scp', ['-O', ...through, '-P', String(server.port), `${folder}/data`, 'x@127.0.0.1:/']), 1],
      // rsync has exit codes of its own: 12 is "error in rsync protocol data stream".
      [await run('rsync', ['-e', rsh, `${folder}/data`, 'x@127.0.0.1:/']), 12],
    ] as const) {
      expect.soft(outcome.stderr, outcome.command).toContain('isocket receive takes SFTP only');
      expect.soft(outcome.exitCode, outcome.command).toBe(code);
    }
    const client = execa('sftp', [...through, '-P', String(server.port), '-b', '-', 'x@127.0.0.1'], {
      input: `put ${folder}/data data\n`,
      reject: false,
    });
    expect((await client).exitCode).toBe(0);
    expect(readFileSync(`${server.folder}/data`, 'utf8')).toBe('data');
    master.kill();
    await master;
  });
});

it('a client that opens what it can keeps nobody out', async () => {
  const command = ['prlimit', '--nofile=300:300', '--', process.execPath, CLI];
  server = await startReceiverProcess(folder, { command });
  const client = new ssh2.Client();
  const { port, identityFile } = server;
  const sftp = await new Promise<ssh2.SFTPWrapper>((resolve, reject) => {
    client.on('error', reject);
    client.on('ready', () => client.sftp((error, session) => (error ? reject(error) : resolve(session))));
    client.connect({ host: '127.0.0.1', port, username: 'x', privateKey: readFileSync(identityFile) });
  });
  const opened = await Promise.all(
    Array.from(
      { length: 400 },
      () => new Promise((resolve) => sftp.opendir('/', (error) => resolve(error === undefined))),
    ),
  );
  expect(opened).toContain(true);
  expect(opened).toContain(false);
  expect(await logsIn()).toBe(true);
  client.end();
});
