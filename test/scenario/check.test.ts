import { execa } from 'execa';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { startProxy } from '../support/proxy.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';

const NOBODY = 65_534;

let folder: string;
let server: TestServer;
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-check-'));
  chmodSync(folder, 0o755);
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const newSite = (options: SiteOptions = {}, to: TestServer = server): TestSite => {
  count += 1;
  const site = makeSite(folder, to, { name: `case${count}`, ...options });
  parser(site.root).writeFiles('DC1', 3);
  return site;
};

interface Line {
  readonly type: string;
  readonly what: string;
  readonly state: 'ok' | 'warning' | 'failure';
  readonly message: string;
  readonly hint?: string;
}

const check = async (site: TestSite, user?: number) => {
  const { exitCode, stdout, stderr } = await site.run(['check', '--json'], user === undefined ? {} : { user });
  const lines = stdout.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Line); // prettier-ignore
  const summary = lines.pop();
  expect(stderr).toBe('');
  expect(summary).toMatchObject({ type: 'summary', failures: lines.filter(({ state }) => state === 'failure').length });
  // Every failure and warning comes with its fix.
  for (const { state, hint, message } of lines) if (state !== 'ok') expect(hint, message).toMatch(/\w/);
  const line = (what: string): Line => {
    const found = lines.find((one) => one.what === what);
    if (found === undefined) throw new Error(`no line "${what}" in ${stdout}`);
    return found;
  };
  return { exitCode, lines, line, failures: lines.filter(({ state }) => state === 'failure').map(({ what }) => what) };
};

it.each([
  ['openssh', undefined],
  ['receiver', startOwnReceiver],
] as const)('finds nothing wrong with a good site to %s, and leaves nothing behind', async (kind, start) => {
  const base = `${folder}/good-${kind}`;
  await using other = start === undefined ? undefined : await start(base);
  const site = newSite({ more: { send: { durable: true } } }, other ?? server);
  const before = readdirSync(site.root);
  const { exitCode, lines, failures } = await check(site);
  expect(failures).toEqual([]);
  expect(exitCode).toBe(0);
  const whats = lines.map(({ what }) => what);
  for (const what of ['config', 'root', 'lock', 'mark', 'owner', 'umask', 'state', 'inotify', 'inotifywait'])
    expect(whats).toContain(what);
  for (const what of ['name', 'connect', 'host key', 'key', 'login', 'sftp', 'folder', 'extensions', 'write', 'fsync'])
    expect(whats).toContain(what);
  for (const what of ['clock', 'mtime', 'atomic rename', 'clean up', 'free space']) expect(whats).toContain(what);
  expect(readdirSync(site.root)).toEqual(before);
  expect(readdirSync((other ?? server).folder).filter((name) => name.startsWith('.isocket'))).toEqual([]);
});

it('says that a destination.path is not there, tries it all the same, and leaves it as it was', async () => {
  const path = `${server.folder}/mistyped/a/b`;
  const { exitCode, failures, line } = await check(newSite({ destination: { path } }));
  expect([exitCode, failures]).toEqual([0, []]);
  expect(line('folder').message).toBe(
    `${path} does not exist, nor does ${server.folder}/mistyped: the first scan makes them`,
  );
  expect(line('write').state).toBe('ok');
  expect(existsSync(`${server.folder}/mistyped`)).toBe(false);
});

it('prints one line for each check, and the fix below it', async () => {
  const site = newSite({ destination: { port: await freePort() } });
  const { exitCode, stdout } = await site.run(['check']);
  expect(exitCode).toBe(3);
  expect(stdout).toMatch(/^ok {7}config {12}/m);
  expect(stdout).toMatch(
    /^failure {2}connect {11}Cannot connect to 127.0.0.1:\d+: nothing listens there\n {27}see that the server runs/m,
  );
  expect(stdout).toMatch(/\n\d+ ok, \d+ warnings?, 1 failure$/);
});

it('warns of a file that has the name of the manifest', async () => {
  const site = newSite({ more: { manifest: true } });
  expect((await check(site)).line('manifest').state).toBe('ok');
  writeFileSync(`${site.root}/DC1/SHA256SUMS`, 'theirs');
  const { exitCode, line } = await check(site);
  expect(exitCode).toBe(0);
  expect(line('manifest')).toMatchObject({ state: 'warning', hint: expect.stringContaining('rename it') as string });
});

it('reports a missing configuration', async () => {
  const site = newSite();
  rmSync(site.config);
  const { exitCode, failures, line } = await check(site);
  expect([exitCode, failures]).toEqual([2, ['config']]);
  expect(line('config').hint).toContain('--config');
});

it('reports a missing root, and checks the rest', async () => {
  const site = newSite();
  rmSync(site.root, { recursive: true });
  const { exitCode, failures, line } = await check(site);
  expect([exitCode, failures]).toEqual([2, ['root']]);
  expect(line('free space').state).toBe('ok');
});

it('names the owner of files that this user may not mark', async () => {
  const site = newSite();
  chmodSync(`${site.root}/DC1`, 0o777);
  chownSync(site.config, NOBODY, NOBODY);
  const { exitCode, failures, line } = await check(site, NOBODY);
  expect(exitCode).toBe(2);
  expect(failures).toContain('owner');
  expect(line('owner').message).toContain(`they belong to user root, isocket runs as user nobody`);
  expect(line('mark')).toMatchObject({ state: 'warning' });
  expect(line('state')).toMatchObject({ state: 'failure' });
});

it('reports that finished.watch could not be written', async () => {
  const site = newSite();
  for (const name of readdirSync(`${site.root}/DC1`)) chownSync(`${site.root}/DC1/${name}`, NOBODY, NOBODY);
  const { failures, line } = await check(site, NOBODY);
  expect(failures).toContain('owner');
  expect(line('owner').message).toContain('Cannot write finished.watch into DC1');
});

it('reports files created with g+w, and the default ACL that causes it', async () => {
  const site = newSite();
  await site.scan();
  chmodSync(`${site.root}/DC1/file-1`, 0o644);
  writeFileSync(`${site.root}/DC1/born`, 'x');
  chmodSync(`${site.root}/DC1/born`, 0o664);
  await execa('setfacl', ['-d', '-m', 'g::rwx', site.root]);
  const { exitCode, line } = await check(site);
  expect(exitCode).toBe(0);
  expect(line('umask')).toMatchObject({ state: 'warning', message: expect.stringContaining('1 in DC1') as string });
  expect(line('born marked')).toMatchObject({
    state: 'warning',
    hint: expect.stringContaining('setfacl -k') as string,
  });
});

it.each([
  [false, 'ok'],
  [true, 'warning'],
])('reports marks without a record, with trustMarks: %s', async (trustMarks, state) => {
  const site = newSite({ source: { trustMarks } });
  parser(site.root).markAll('DC1', 2);
  const { exitCode, line } = await check(site);
  expect(exitCode).toBe(0);
  expect(line('marks')).toMatchObject({ state, message: expect.stringContaining('2 in DC1') as string });
});

it('refuses an unknown and a changed host key, and prints the line to add', async () => {
  const unknown = newSite({ destination: { knownHosts: `${folder}/nobody-known` } });
  const first = await check(unknown);
  expect([first.exitCode, first.failures]).toEqual([3, ['host key']]);
  expect(first.line('host key').hint).toContain(`echo '[127.0.0.1]:${server.port} ssh-ed25519 `);
  const other = await makeKey(`${folder}/other_host`);
  writeFileSync(`${folder}/changed`, `[127.0.0.1]:${server.port} ${other}\n`);
  const changed = await check(newSite({ destination: { knownHosts: `${folder}/changed` } }));
  expect([changed.exitCode, changed.failures]).toEqual([3, ['host key']]);
  expect(changed.line('host key').message).toContain('CHANGED');
});

it('distinguishes a missing key from one that the server refuses', async () => {
  const missing = await check(newSite({ destination: { identityFile: `${folder}/no-key` } }));
  expect([missing.exitCode, missing.failures]).toEqual([3, ['key']]);
  await makeKey(`${folder}/stranger`);
  const refused = await check(newSite({ destination: { identityFile: `${folder}/stranger` } }));
  expect([refused.exitCode, refused.failures]).toEqual([3, ['login']]);
  expect(refused.line('login').hint).toContain('authorized_keys');
});

it('reports a server that is no SSH server', async () => {
  await using other = await startOther();
  const { exitCode, failures, line } = await check(newSite({ destination: { port: other.port } }));
  expect([exitCode, failures]).toEqual([3, ['host key']]);
  expect(line('host key').hint).toContain('the host or the port may be wrong');
});

it('reports which part of SFTP an account is denied', async () => {
  const sub = (name: string): string => `${folder}/${name}`;
  mkdirSync(sub('denied'));
  await using adding = await startSshd(sub('denied'), {
    config: ['ForceCommand internal-sftp -P remove'],
  });
  const site = newSite({}, adding);
  for (let run = 0; run < 2; run += 1) {
    const { exitCode, line } = await check(site);
    expect(exitCode).toBe(0);
    expect(line('clean up')).toMatchObject({
      state: 'warning',
      hint: expect.stringMatching(/at the destination’s host, remove .*-probe|what a broken transfer leaves/) as string,
    });
  }
  // The names are the same in every run: no more than one is left.
  expect(readdirSync(adding.folder).filter((name) => name.startsWith('.isocket'))).toHaveLength(1);

  mkdirSync(sub('plain'));
  await using plain = await startSshd(sub('plain'), {
    config: ['ForceCommand internal-sftp -P posix-rename,fsync,statvfs'],
  });
  const lacking = await check(newSite({ more: { send: { durable: true } } }, plain));
  expect(lacking.exitCode).toBe(0);
  expect(lacking.line('extensions')).toMatchObject({ state: 'warning' });
  expect(lacking.line('extensions').message).toContain('lacks posix-rename, fsync, statvfs');

  mkdirSync(sub('times'));
  await using times = await startSshd(sub('times'), { config: ['ForceCommand internal-sftp -P fsetstat'] });
  // Times are set by name then.
  expect((await check(newSite({}, times))).exitCode).toBe(0);

  mkdirSync(sub('no-times'));
  await using noTimes = await startSshd(sub('no-times'), {
    config: ['ForceCommand internal-sftp -P fsetstat,setstat'],
  });
  const denied = await check(newSite({}, noTimes));
  expect([denied.exitCode, denied.failures]).toEqual([3, ['mtime']]);

  mkdirSync(sub('shell'));
  await using shell = await startSshd(sub('shell'), { config: ['ForceCommand /bin/false'] });
  const none = await check(newSite({}, shell));
  expect([none.exitCode, none.failures]).toEqual([3, ['sftp']]);
});

/** Something that is no SSH server. */
const startOther = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

describe('the source file system', () => {
  it('has fine times and birth times here', async () => {
    const { line } = await check(newSite());
    expect(line('time resolution').state).toBe('ok');
    expect(line('birth time').state).toBe('ok');
    expect(line('overlap').state).toBe('ok');
  });

  it('is ext4 with 128-byte inodes: times of a second, and no birth times', async () => {
    const site = newSite();
    rmSync(site.root, { recursive: true });
    mkdirSync(site.root);
    const image = `${folder}/ext4.img`;
    writeFileSync(image, '');
    truncateSync(image, 16 * 1024 * 1024);
    await execa('mkfs.ext4', ['-q', '-I', '128', image]);
    await execa('mount', ['-o', 'loop', image, site.root]);
    try {
      parser(site.root).writeFiles('DC1', 3);
      const { exitCode, line } = await check(site);
      expect(exitCode).toBe(0);
      expect(line('time resolution')).toMatchObject({ state: 'warning' });
      expect(line('time resolution').message).toContain('file times: 1 s');
      expect(line('birth time')).toMatchObject({ state: 'warning' });
      expect(line('birth time').message).toContain('"DC1"');
    } finally {
      await execa('umount', [site.root]);
    }
  });
});

describe.each(['sftp', 'rsync'])('with %s', (transport) => {
  it.each(['', '/DC1', '/backup'])('refuses the destination "ROOT%s"', async (below) => {
    const site = newSite({ destination: { transport } });
    mkdirSync(site.root + below, { recursive: true });
    const again = newSite({ source: { root: site.root }, destination: { transport, path: site.root + below } });
    const { exitCode, failures, line } = await check(again);
    expect([exitCode, failures]).toEqual([2, ['overlap']]);
    expect(line('overlap').message).toContain(`"${site.root}${below}"`);
    expect(readdirSync(site.root + below).filter((name) => name.startsWith('.isocket'))).toEqual([]);
  });
});

it.each(['sftp', 'rclone'])('finds two destinations that are one folder: sftp and, by another way, %s', async (way) => {
  await using proxy = await startProxy(server.port);
  const one = `${folder}/one-folder-${way}`;
  const site = newSite({ destination: { path: one } });
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: object };
  const other =
    way === 'rclone'
      ? { transport: 'rclone', remote: one }
      : { ...config.destination, ...through(folder, server, proxy.port) };
  const write = (destination: readonly object[]): void => writeFileSync(site.config, JSON.stringify({ ...config, destination })); // prettier-ignore
  write([config.destination, other]);
  const { exitCode, failures, line } = await check(site);
  expect([exitCode, failures]).toEqual([2, ['destination 2: overlap']]);
  expect(line('destination 1: overlap').state).toBe('ok');
  write([config.destination, { ...config.destination, path: `${one}-other` }]);
  expect(await check(site)).toMatchObject({ exitCode: 0, failures: [] });
});

it.each(['scan', 'daemon'])('refuses a state folder in the root: %s', async (command) => {
  const site = newSite();
  const inside = newSite({ source: { root: site.root }, more: { state: `${site.root}/state` } });
  const { exitCode, stderr } = await inside.run([command]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/it lies in source.root.*\n.*outside source.root/);
  expect(readdirSync(site.root)).toEqual(['DC1']);
});

it('refuses a state folder in the root', async () => {
  const site = newSite();
  const { exitCode, failures, line } = await check(
    newSite({ source: { root: site.root }, more: { state: `${site.root}/state` } }),
  );
  expect([exitCode, failures]).toEqual([2, ['state']]);
  expect(line('state').hint).toContain('outside source.root');
});

describe('who is told', () => {
  it('warns of what cannot work, and finds nothing wrong with what can; nothing is run, pinged or written', async () => {
    const port = await freePort();
    const pinged = createServer(() => expect.unreachable('it was pinged')).listen(port, '127.0.0.1');
    await once(pinged, 'listening');
    const told = (more: Readonly<Record<string, unknown>>): Promise<Awaited<ReturnType<typeof check>>> =>
      check(newSite({ more }));
    writeFileSync(`${folder}/not-executable`, '#!/bin/sh\n', { mode: 0o644 });
    const bad = await told({
      hooks: {
        finished: ['/nowhere/notify'],
        alert: 'no-such-mailer ops@example.org',
        ping: 'http://nowhere.invalid/secret',
      },
      log: { file: `${folder}/nowhere/log` },
      status: { listen: port, textfile: `${folder}/nowhere/x.prom` },
    });
    expect([bad.exitCode, bad.failures]).toEqual([0, []]); // Files are sent all the same.
    const wrong = bad.lines.filter(({ state }) => state === 'warning').map(({ what, message }) => [what, message]);
    expect(wrong).toEqual([
      ['hooks.finished', 'Cannot run /nowhere/notify: no such file or directory'],
      ['hooks.alert', 'Cannot run no-such-mailer: it is in no folder of PATH'],
      ['hooks.ping', expect.stringMatching(/^Cannot find nowhere\.invalid: /)],
      ['log.file', `Cannot write into ${folder}/nowhere: no such file or directory`],
      ['status.textfile', `Cannot write into ${folder}/nowhere: no such file or directory`],
      ['status.listen', `Cannot listen on 127.0.0.1:${port}: address already in use`],
    ]);
    expect(JSON.stringify(bad.lines)).not.toContain('secret');
    const good = await told({
      hooks: { finished: 'cat >/dev/null', alert: ['/bin/true', 'x'], ping: `http://127.0.0.1:${port}/secret` },
      log: { file: `${folder}/log` },
      status: { listen: await freePort(), textfile: `${folder}/x.prom` },
    });
    expect(good.lines.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect([existsSync(`${folder}/log`), existsSync(`${folder}/x.prom`)]).toEqual([false, false]);
    const other = await told({
      hooks: { alert: `${folder}/not-executable` },
      status: { listen: `0.0.0.0:${await freePort()}` },
    });
    expect(other.line('hooks.alert').message).toContain('permission denied');
    expect(other.line('status.listen').message).toContain('open to other hosts');
    pinged.close();
  });

  it('a configuration that others can change, and a port that the daemon has', async () => {
    const site = newSite({ more: { hooks: { alert: 'cat' }, status: { listen: await freePort() } } });
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'listening');
    await daemon.event(({ type }) => type === 'sent'); // It has tried the destination, by files of the same names.
    const { line, exitCode } = await check(site);
    expect([exitCode, line('status.listen').state]).toEqual([0, 'ok']);
    chmodSync(site.config, 0o666);
    const { stdout } = await site.run(['--config', site.config, 'check']);
    expect(stdout).toContain(
      'hooks.alert will not be obeyed: others can change the configuration, it can be written by',
    );
    await daemon.stop();
  });
});
