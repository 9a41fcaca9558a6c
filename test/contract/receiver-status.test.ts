import { execa } from 'execa';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../support/http-client.ts';
import { freePort, listening } from '../support/ports.ts';
import { startReceiverProcess, type ReceiverProcess } from '../support/receiver-process.ts';

let folder: string;
let port: number;
let server: ReceiverProcess;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-receiver-status-'));
  port = await freePort();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await execa('umount', ['-l', `${folder}/destination`], { reject: false });
  rmSync(folder, { recursive: true });
});

const start = async (...args: readonly string[]): Promise<void> => {
  server = await startReceiverProcess(folder, { args: ['--status-listen', String(port), ...args] });
  await listening(port, () => undefined);
};
const sftp = (commands: string, key = server.identityFile) =>
  execa(
    'sftp',
    [
      ...['-F', 'none', '-q', '-i', key, '-o', 'IdentitiesOnly=yes', '-o', `UserKnownHostsFile=${server.knownHosts}`],
      ...['-P', String(server.port), '-b', '-', 'x@127.0.0.1'],
    ],
    { input: `${commands}\n`, reject: false },
  );
const metrics = async (): Promise<string> => (await ask(port, '/metrics')).text;
const SIZE = 12_345;

describe('the metrics of a receiver', () => {
  it('count what clients do; promtool finds nothing wrong; a file has them, too', async () => {
    const textfile = `${folder}/receiver.prom`;
    await start('--status-textfile', textfile);
    writeFileSync(`${folder}/data`, Buffer.alloc(SIZE, 1));
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${folder}/stranger`]);
    expect((await sftp('pwd', `${folder}/stranger`)).exitCode).not.toBe(0);
    const done = await sftp(
      `put ${folder}/data a\nrename a b\nmkdir d\nget b ${folder}/back\nrm b\nput ${folder}/data c\n-chown 1 c`,
    );
    expect(done.exitCode).toBe(0);
    const held = execa(
      'sftp',
      [
        '-F',
        'none',
        '-q',
        '-i',
        server.identityFile,
        '-o',
        `UserKnownHostsFile=${server.knownHosts}`,
        '-P',
        String(server.port),
        'x@127.0.0.1',
      ],
      { stdin: 'pipe', reject: false },
    );
    await expect.poll(metrics).toMatch(/^isocket_receiver_connections\{state="idle",root=".*"\} 1$/m);
    const text = await metrics();
    const valueOf = (name: string, label = ''): number =>
      Number(new RegExp(`^${name}\\{${label}.*\\} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(valueOf('isocket_receiver_logins_total')).toBe(2);
    expect(valueOf('isocket_receiver_logins_refused_total', 'reason="key"')).toBeGreaterThanOrEqual(1);
    expect(valueOf('isocket_receiver_requests_refused_total', 'reason="permission"')).toBe(1);
    expect(valueOf('isocket_receiver_sessions')).toBe(1);
    expect(valueOf('isocket_receiver_sessions_total')).toBe(2);
    for (const [action, count] of Object.entries({ written: 2, renamed: 1, removed: 1, made: 1, cut: 0 }))
      expect.soft(valueOf('isocket_receiver_files_total', `action="${action}"`), action).toBe(count);
    expect(valueOf('isocket_receiver_written_bytes_total')).toBe(2 * SIZE);
    expect(valueOf('isocket_receiver_read_bytes_total')).toBe(SIZE);
    expect(valueOf('isocket_receiver_disk_free_bytes')).toBeGreaterThan(0);
    expect(valueOf('isocket_receiver_problems')).toBe(0);
    expect(valueOf('process_open_fds')).toBeGreaterThan(0);
    // A rule about nothing would never tell.
    const rules = readFileSync(new URL('../../templates/alert-rules.yaml', import.meta.url), 'utf8');
    const named = new Set(rules.match(/isocket_receiver_\w+/g));
    expect(named.size).toBeGreaterThan(3);
    for (const name of named) expect.soft(text).toContain(`\n${name}{`);
    const { all } = await execa('promtool', ['check', 'metrics'], { input: text, reject: false, all: true });
    expect(all).toBe('');
    await expect.poll(() => readFileSync(textfile, 'utf8'), { timeout: 20_000 }).toContain('isocket_receiver_logins');
    expect(statSync(textfile).mode & 0o777).toBe(0o644);
    const { clients, counts } = JSON.parse((await ask(port, '/status.json')).text) as {
      clients: unknown[];
      counts: { files: number };
    };
    expect(clients).toMatchObject([
      { client: expect.stringMatching(/^127\.0\.0\.1:/) as string, folder: '', sessions: 1 },
    ]);
    expect(counts.files).toBe(2);
    expect((await ask(port, '/')).code).toBe(404);
    expect((await ask(port, '/metrics', { headers: { host: 'evil.example' } })).code).toBe(421);
    held.kill();
    await held;
  });

  it('/healthz says what keeps clients from getting in', async () => {
    await start();
    expect(await ask(port, '/healthz')).toMatchObject({ code: 200, text: 'ok\n' });
    const keys = readFileSync(`${folder}/receiver/authorized_keys`, 'utf8');
    const isUnwell = (why: RegExp) => ({ code: 503, text: expect.stringMatching(why) as string });
    writeFileSync(`${folder}/receiver/authorized_keys`, `path="ED9" ${keys}`);
    expect(await ask(port, '/healthz')).toMatchObject(isUnwell(/^path="ED9" in line 1 .*: no such file or directory/));
    mkdirSync(`${folder}/destination/ED9`);
    expect(await ask(port, '/healthz')).toMatchObject({ code: 200, text: 'ok\n' });
    writeFileSync(`${folder}/receiver/authorized_keys`, '');
    expect(await ask(port, '/healthz')).toMatchObject(isUnwell(/^No key in the authorized keys ".*" is accepted/));
    writeFileSync(`${folder}/receiver/authorized_keys`, keys);
    expect(await ask(port, '/healthz')).toMatchObject({ code: 200, text: 'ok\n' });
    for (const line of ['path="ED9" of the authorized keys is there', 'No key in the', 'let clients in again'])
      expect.soft(server.said().split(line), line).toHaveLength(2);
    rmSync(`${folder}/receiver/authorized_keys`);
    await sftp('pwd');
    expect(await ask(port, '/healthz')).toMatchObject({
      code: 503,
      text: expect.stringMatching(/^Cannot read the authorized keys .* nobody new gets in/) as string,
    });
  });

  it('a file is obeyed only of a configuration that nobody else can write', async () => {
    const config = `${folder}/rc.json`;
    const status = { textfile: `${folder}/of-config.prom`, listen: port };
    const receive = { root: folder, listen: '127.0.0.1:1', authorizedKeys: `${folder}/keys`, status };
    writeFileSync(config, JSON.stringify({ receive }));
    chmodSync(config, 0o666);
    server = await startReceiverProcess(folder, { args: ['--config', config] });
    await listening(port, () => undefined);
    await expect.poll(server.said).toMatch(/Cannot obey receive.status.textfile .* can be written by other users/);
  });
});

describe('a full disk', () => {
  const mountFull = async (): Promise<void> => {
    mkdirSync(`${folder}/destination`);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', `${folder}/destination`]);
    writeFileSync(`${folder}/big`, '');
    truncateSync(`${folder}/big`, 3_000_000);
  };

  it('is said to the client, once in the log, in the metrics and the health, and is over by itself', async () => {
    await mountFull();
    await start();
    const { stderr, exitCode } = await sftp(`-put ${folder}/big one\n-put ${folder}/big two\nput ${folder}/big three`);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/(?:no space left on device|Failure)/i);
    await sftp(`put ${folder}/big four`);
    expect(server.said().match(/no space left on device/g)).toHaveLength(1);
    expect(await metrics()).toMatch(/^isocket_receiver_requests_refused_total\{reason="full",.*\} [1-9]/m);
    expect(await ask(port, '/healthz')).toMatchObject({
      code: 503,
      text: expect.stringContaining('no space is left below') as string,
    });
    expect((await sftp('rm one\nrm two\nrm three\nrm four')).exitCode).toBe(0);
    expect((await ask(port, '/healthz')).code).toBe(200);
    writeFileSync(`${folder}/small`, 'small');
    expect((await sftp(`put ${folder}/small small`)).exitCode).toBe(0);
  });

  it('with --atomic-puts nothing half gets its name, whoever closes it', async () => {
    await mountFull();
    await start('--atomic-puts');
    writeFileSync(`${folder}/destination/there`, 'old');
    expect((await sftp(`put ${folder}/big there`)).exitCode).not.toBe(0);
    expect((await sftp(`put ${folder}/big new`)).exitCode).not.toBe(0);
    expect(statSync(`${folder}/destination/there`).size).toBe('old'.length);
    expect((await execa('ls', ['-A', `${folder}/destination`])).stdout).toBe('there');
  });
});
