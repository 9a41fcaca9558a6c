import { execa } from 'execa';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBarePath, NODE_COMMANDS } from '../support/bare-path.ts';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { differences, unmarked } from '../support/trees.ts';

const CLONE = new URL('../..', import.meta.url).pathname;
const MINUTES = 60_000;

let folder: string;
let path: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-install-'));
  // As on a host that has neither Node nor anything else that isocket could use.
  path = makeBarePath(folder, [...NODE_COMMANDS, 'rsync', 'ssh', 'inotifywait', 'systemctl']);
  // The package is made where npm is, with the system's own Node, however old.
  await execa('./install.sh', ['--pack', `${folder}/isocket.tgz`], { cwd: CLONE, env: { PATH: '/usr/bin:/bin' } });
}, 8 * MINUTES);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const install = (...args: string[]) =>
  execa(`${CLONE}/install.sh`, ['--prefix', `${folder}/P`, '--from', `${folder}/isocket.tgz`, ...args], {
    reject: false,
    extendEnv: false,
    env: { PATH: path, HOME: folder, DESTDIR: `${folder}/system` },
  });

/** Every file below with its content, mode and time. */
const snapshot = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      const { mode, mtimeMs, ino } = lstatSync(file);
      const content = entry.isFile() ? createHash('sha1').update(readFileSync(file)).digest('hex') : '';
      return `${file} ${mode} ${mtimeMs} ${ino} ${content}`;
    })
    .sort();

it(
  'says what it would do, does it once, and takes away all but the configuration',
  async () => {
    const dry = await install('--daemon', 'ED1', '--dry-run');
    expect(dry.exitCode, dry.stderr).toBe(0);
    expect(dry.stderr).toBe('');
    expect(dry.stdout).toContain(`would install isocket into ${folder}/P/lib/isocket`);
    expect(existsSync(`${folder}/P`)).toBe(false);
    expect(existsSync(`${folder}/system`)).toBe(false);

    const first = await install('--daemon', 'ED1', '--cron', 'ED1', '--every', '10m', '--receiver');
    expect(first.exitCode, first.stderr).toBe(0);
    const version = await execa(`${folder}/P/bin/isocket`, ['--version'], { extendEnv: false, env: { PATH: path } });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/);
    expect(readFileSync(`${folder}/P/bin/isocket`, 'utf8')).toContain(
      ` --max-semi-space-size=8 --heap-growing-percent=20 '${folder}/P/lib/isocket/dist/cli.js'`,
    );
    const system = `${folder}/system/etc`;
    expect(readFileSync(`${system}/systemd/system/isocket@.service`, 'utf8')).toContain(
      `ExecStart=${folder}/P/bin/isocket --config %E/isocket/%i/.isocketrc daemon`,
    );
    expect(readFileSync(`${system}/cron.d/isocket-ED1`, 'utf8')).toMatch(/^\*\/10 \* \* \* \* isocket output=/m);
    writeFileSync(`${system}/isocket/ED1/.isocketrc`, 'site: ED1\n');

    const before = [...snapshot(`${folder}/P`), ...snapshot(`${folder}/system`)];
    const second = await install('--daemon', 'ED1', '--cron', 'ED1', '--every', '10m', '--receiver');
    expect(second.exitCode).toBe(0);
    expect(second.stdout).toContain('nothing to do');
    expect([...snapshot(`${folder}/P`), ...snapshot(`${folder}/system`)]).toEqual(before);

    const gone = await install('--uninstall');
    expect(gone.exitCode, gone.stderr).toBe(0);
    expect(existsSync(`${folder}/P`)).toBe(false);
    expect(snapshot(`${folder}/system`).map((line) => line.split(' ')[0])).toEqual([
      `${system}/isocket/ED1/.isocketrc`,
      `${system}/isocket/receive/authorized_keys`,
    ]);
  },
  5 * MINUTES,
);

it.each([
  [['--nonsense'], 'unknown option "--nonsense"'],
  [['--prefix'], '--prefix needs a value'],
  [['--cron', 'ED1', '--every', '90m'], 'write 1m to 59m, or 1h to 23h'],
  [['--cron', 'a/b'], `cannot use the site's name "a/b"`],
  [['--from', '/nowhere.tgz'], 'make one with install.sh --pack'],
])('a wrong option %j is answered by a sentence', async (args, sentence) => {
  const { exitCode, stderr } = await execa(`${CLONE}/install.sh`, ['--dry-run', ...args], { reject: false });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(sentence);
});

it('takes away what is installed without the package that it came from', async () => {
  copyFileSync(`${CLONE}/install.sh`, `${folder}/install.sh`);
  const { exitCode, stderr } = await execa('sh', [`${folder}/install.sh`, '--prefix', `${folder}/none`, '--uninstall', '--dry-run'], { reject: false }); // prettier-ignore
  expect(exitCode, stderr).toBe(0);
});

it('is plain sh', async () => {
  await execa('shellcheck', [`${CLONE}/install.sh`]);
  await execa('dash', ['-n', `${CLONE}/install.sh`]);
});

// The default transport needs no system package at either end, and cron's environment is all that the line gets.
it(
  'the cron line does the main job on a host without rsync, ssh and inotifywait, from / and from $HOME',
  async () => {
    await using server = await startOwnReceiver(`${folder}/far`);
    await install('--cron', 'ED1');
    const site = makeSite(folder, server, { name: 'ED1' });
    mkdirSync(`${folder}/home`, { recursive: true });
    const [line = ''] = readFileSync(`${folder}/system/etc/cron.d/isocket-ED1`, 'utf8').split('\n').slice(-2);
    // As cron takes it apart: five fields, the user, the command.
    const command = (/^(?:\S+ ){5}isocket (.*)$/.exec(line)?.[1] ?? '').replace(
      '/etc/isocket/ED1/.isocketrc',
      site.config,
    );
    expect(command).not.toContain('%');
    const runAsCron = (cwd: string) =>
      execa('/bin/sh', ['-c', command], {
        cwd,
        reject: false,
        stdin: 'ignore',
        extendEnv: false,
        env: { HOME: `${folder}/home`, PATH: path, SHELL: '/bin/sh', LOGNAME: 'root' },
      });
    const { writeFiles, closeDirectory } = parser(site.root);
    for (const [name, cwd] of [
      ['DC1', '/'],
      ['DC2', `${folder}/home`],
    ] as const) {
      writeFiles(name, 20);
      closeDirectory(name);
      const { exitCode, stdout, stderr } = await runAsCron(cwd);
      // A word would be a mail.
      expect([exitCode, stdout, stderr]).toEqual([0, '', '']);
      expect(differences(`${site.root}/${name}`, `${server.folder}/${name}`)).toEqual([]);
      expect(existsSync(`${site.root}/${name}/finished.watch`)).toBe(true);
    }
    const { lockRoot } = await import('../../src/instance/lock.ts');
    const { idleActivity } = await import('../../src/instance/activity.ts');
    const lock = await lockRoot(site, () => idleActivity(new Date()));
    expect(await runAsCron('/')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    await lock[Symbol.asyncDispose]();
    rmSync(site.root, { recursive: true });
    const failed = await runAsCron('/');
    expect(failed.exitCode).toBe(2);
    expect(failed.stdout).toContain('it is not there');
  },
  3 * MINUTES,
);

// In a mount namespace of its own: this cron sees no other table than ours, and nobody sees ours.
it(
  'a real cron runs the entry that install.sh wrote',
  async () => {
    await using server = await startOwnReceiver(`${folder}/cron-far`);
    const cron = `${folder}/cron`;
    for (const name of ['cron.d', 'spool/crontabs', 'run']) mkdirSync(`${cron}/${name}`, { recursive: true });
    await install('--cron', 'ED2', '--user', 'root');
    const site = makeSite(folder, server, { name: 'ED2' });
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 20);
    closeDirectory('DC1');
    const entry = readFileSync(`${folder}/system/etc/cron.d/isocket-ED2`, 'utf8')
      .replace('/etc/isocket/ED2/.isocketrc', site.config)
      .replace('*/5 * * * *', '* * * * *');
    expect(entry).toMatch(/^\* \* \* \* \* root output=/m);
    writeFileSync(`${cron}/cron.d/isocket-ED2`, entry, { mode: 0o644 });
    writeFileSync(`${cron}/crontab`, '', { mode: 0o644 });
    const script = [
      `mount --bind ${cron}/cron.d /etc/cron.d`,
      `mount --bind ${cron}/crontab /etc/crontab`,
      `mount --bind ${cron}/spool /var/spool/cron`,
      `mount --bind ${cron}/run /run`,
      'exec cron -f',
    ].join(' && ');
    const daemon = execa('unshare', ['--mount', 'sh', '-c', script], { reject: false });
    const end = { reason: '' };
    void daemon.then(({ stderr }) => {
      end.reason = `cron ended: ${stderr}`;
    });
    try {
      // It wakes at each full minute.
      while (!existsSync(`${site.root}/DC1/finished.watch`)) {
        if (end.reason !== '') throw new Error(end.reason);
        await delay(100);
      }
    } finally {
      daemon.kill('SIGTERM');
      await daemon;
    }
    expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
    expect(unmarked(`${site.root}/DC1`)).toEqual([]);
  },
  3 * MINUTES,
);
