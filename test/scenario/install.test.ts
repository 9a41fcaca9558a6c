import { execa } from 'execa';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeBarePath, NODE_COMMANDS } from '../support/bare-path.ts';
import { containerSteps, sendThroughServices } from '../support/container.ts';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import type { TestServer } from '../support/server.ts';
import { readUnit, startUserland, type Userland } from '../support/userland.ts';
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
    const dry = await install('--daemon', 'ED2', '--dry-run');
    expect(dry.exitCode, dry.stderr).toBe(0);
    expect(dry.stderr).toBe('');
    expect(dry.stdout).toContain(`would install isocket into ${folder}/P/lib/isocket`);
    expect(existsSync(`${folder}/P`)).toBe(false);
    expect(existsSync(`${folder}/system`)).toBe(false);

    const first = await install('--daemon', 'ED2', '--cron', 'ED1', '--every', '10m', '--receiver');
    expect(first.exitCode, first.stderr).toBe(0);
    const version = await execa(`${folder}/P/bin/isocket`, ['--version'], { extendEnv: false, env: { PATH: path } });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/);
    expect(readFileSync(`${folder}/P/bin/isocket`, 'utf8')).toContain(
      ` --max-semi-space-size=8 --heap-growing-percent=20 --initial-heap-size=48 --external-memory-accounted-in-global-limit '${folder}/P/lib/isocket/dist/cli.js'`,
    );
    for (const path of ['man/man1/isocket.1', 'bash-completion/completions/isocket', 'zsh/site-functions/_isocket'])
      expect(existsSync(`${folder}/P/share/${path}`), path).toBe(true);
    const system = `${folder}/system/etc`;
    expect(readFileSync(`${system}/systemd/system/isocket@.service`, 'utf8')).toContain(
      `ExecStart=${folder}/P/bin/isocket --config %E/isocket/%i/.isocketrc daemon`,
    );
    expect(readFileSync(`${system}/cron.d/isocket-ED1`, 'utf8')).toMatch(/^\*\/10 \* \* \* \* isocket output=/m);
    writeFileSync(`${system}/isocket/ED1/.isocketrc`, 'site: ED1\n');

    const before = [...snapshot(`${folder}/P`), ...snapshot(`${folder}/system`)];
    const second = await install('--daemon', 'ED2', '--cron', 'ED1', '--every', '10m', '--receiver');
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
  [['--cron', 'ED1', '--daemon', 'ED1'], 'cannot run site "ED1" by --daemon and by --cron'],
  [['--purge'], 'cannot purge without --uninstall'],
  [['--cron', 'ED1', '--user', 'a b'], 'cannot use --user "a b"'],
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

// The program faketime would stay between us and cron, and not pass on a signal.
const CRON_IN_TWO_SECONDS =
  'exec env LD_PRELOAD="$(ls /usr/lib/*/faketime/libfaketime.so.1)" FAKETIME="@2030-01-01 12:00:58" cron -f >/dev/null 2>&1';

// In a userland of its own, where nothing of isocket is: two sites of two users, by cron and then by their units.
describe('two sites with two users', () => {
  const SITES = [
    ['ED1', 'parser1'],
    ['ED2', 'parser2'],
  ] as const;
  let place: string;
  let server: TestServer;
  let userland: Userland;
  const root = (site: string): string => `${place}/${site}/datas`;

  const ok = async (...command: readonly string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await userland.run(...command);
    expect(exitCode, `${command.join(' ')}: ${stdout}\n${stderr}`).toBe(0);
    return stdout;
  };
  const setUp = (...args: readonly string[]) =>
    // As an administrator with a cautious umask.
    ok('sh', '-c', 'umask 077; exec sh "$@"', 'sh', `${place}/install.sh`, '--from', `${place}/isocket.tgz`, ...args);
  /** As the parser: files in a directory of its own, closed. */
  const produce = async (site: string, user: string, directory: string): Promise<void> => {
    const { writeFiles, closeDirectory } = parser(root(site));
    writeFiles(directory, 20);
    closeDirectory(directory);
    await ok('chown', '-R', `${user}:`, root(site));
  };
  const shipped = async (site: string, directory: string, ended: () => string | undefined): Promise<void> => {
    while (!existsSync(`${root(site)}/${directory}/finished.watch`)) {
      const reason = ended();
      if (reason !== undefined) throw new Error(reason);
      await delay(50);
    }
    expect(differences(`${root(site)}/${directory}`, `${server.folder}/${site}/${directory}`)).toEqual([]);
    expect(unmarked(`${root(site)}/${directory}`)).toEqual([]);
  };
  /** Keeps a command of the userland running while `work` runs; `work` is told why it ended. */
  const beside = async (
    command: readonly string[],
    work: (ended: () => string | undefined) => Promise<void>,
  ): Promise<number | undefined> => {
    const running = userland.run(...command);
    let reason: string | undefined;
    void running.then(({ stdout, stderr }) => {
      reason = `${command.join(' ')} ended: ${stdout}${stderr}`;
    });
    try {
      await work(() => reason);
    } finally {
      running.kill('SIGTERM');
    }
    return (await running).exitCode;
  };

  beforeAll(async () => {
    place = `${folder}/userland`;
    mkdirSync(place);
    chmodSync(folder, 0o755);
    copyFileSync(`${CLONE}/install.sh`, `${place}/install.sh`);
    linkSync(`${folder}/isocket.tgz`, `${place}/isocket.tgz`);
    server = await startOwnReceiver(place);
    userland = await startUserland(place);
    for (const [site, user] of SITES) {
      await ok('useradd', '--create-home', user);
      const { config } = makeSite(place, server, {
        name: site,
        destination: { path: `/${site}`, identityFile: `/home/${user}/key` },
        more: { state: null },
      });
      await ok('install', '-o', user, '-m', '600', server.identityFile, `/home/${user}/key`);
      // Written by root, readable by nobody else.
      chmodSync(config, 0o600);
    }
  });
  afterAll(async () => {
    await userland[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it('ship from cron, each as its user, whatever root did first', { timeout: 3 * MINUTES }, async () => {
    for (const [site, user] of SITES) {
      await setUp('--cron', site, '--user', user, '--every', '1m');
      await ok('cp', '-p', `${place}/${site}/.isocketrc`, `/etc/isocket/${site}/.isocketrc`);
      expect(await setUp('--cron', site, '--every', '1m')).toContain(
        `/etc/isocket/${site}/.isocketrc belongs to ${user} now`,
      );
      expect(await setUp('--cron', site, '--every', '1m')).toContain('nothing to do');
      await produce(site, user, 'DC1');
    }
    const asRoot = await userland.run('isocket', '--config', '/etc/isocket/ED1/.isocketrc', 'scan');
    expect(asRoot.exitCode).toBe(2);
    expect(asRoot.stderr).toContain('runuser -u parser1 -- isocket');
    // It wakes at each full minute: two seconds from now.
    await beside(['sh', '-c', CRON_IN_TWO_SECONDS], async (ended) => {
      for (const [site] of SITES) await shipped(site, 'DC1', ended);
    });
    for (const [site, user] of SITES) {
      const owners = await ok('find', `/var/lib/isocket/${site}`, '-printf', '%u\\n');
      expect([...new Set(owners.split('\n'))]).toEqual([user]);
      expect(existsSync(userland.at(`/home/${user}/.local`))).toBe(false);
    }
  });

  it('are enabled, restarted and disabled with systemctl, each call once', async () => {
    const said = '/run/calls';
    const systemctl = `#!/bin/sh
case $1 in
  is-enabled) exec test -e "/run/enabled-$2" ;;
  is-active) exec test -e "/run/active-$2" ;;
  enable) : >"/run/enabled-$2" ;;
  start) : >"/run/active-$2" ;;
  disable) rm "/run/enabled-$3" "/run/active-$3" ;;
esac
echo "$*" >>${said}
`;
    await ok('mkdir', '-p', '/run/systemd/system');
    writeFileSync(userland.at('/usr/local/bin/systemctl'), systemctl, { mode: 0o755 });
    const calls = async (...args: readonly string[]): Promise<string[]> => {
      rmSync(userland.at(said), { force: true });
      await setUp(...args);
      return existsSync(userland.at(said)) ? readFileSync(userland.at(said), 'utf8').trimEnd().split('\n') : [];
    };
    const unit = 'isocket@ED1.service';
    expect(await calls('--daemon', 'ED1', '--dry-run')).toEqual([]);
    expect(await calls('--daemon', 'ED1')).toEqual(['daemon-reload', `enable ${unit}`, `start ${unit}`]);
    expect(await calls('--daemon', 'ED1')).toEqual([]);
    expect(await calls('--daemon', 'ED1', '--user', 'parser2')).toEqual(['daemon-reload', `restart ${unit}`]);
    expect(await calls('--cron', 'ED1', '--user', 'parser1')).toEqual([`disable --now ${unit}`, 'daemon-reload']);
    await ok('rm', '-r', '/usr/local/bin/systemctl', '/run/systemd');
  });

  it('ship by the command lines of their units, in place of cron', { timeout: 3 * MINUTES }, async () => {
    for (const [site] of SITES) await setUp('--daemon', site);
    expect(await setUp('--daemon', 'ED1')).toContain('nothing to do');
    expect(readdirSync(userland.at('/etc/cron.d')).filter((name) => name.includes('isocket'))).toEqual([]);
    for (const [site, user] of SITES) {
      const units = userland.at('/etc/systemd/system');
      const unit = readUnit([`${units}/isocket@.service`, `${units}/isocket@${site}.service.d/10-user.conf`], site);
      expect(unit.get('User')).toBe(user);
      await ok('systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', `isocket@${site}.service`);
      await produce(site, user, 'DC2');
      const environment = `STATE_DIRECTORY=/var/lib/${unit.get('StateDirectory')}`;
      const command = [environment, `HOME=/home/${user}`, ...(unit.get('ExecStart') ?? '').split(' ')];
      const code = await beside(['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', 'env', '-i', 'PATH=/usr/bin:/bin', ...command], (ended) => shipped(site, 'DC2', ended)); // prettier-ignore
      expect((unit.get('SuccessExitStatus') ?? '').split(' ')).toContain(String(code));
    }
    await setUp('--cron', 'ED1');
    expect(readdirSync(userland.at('/etc/systemd/system')).filter((name) => name.includes('ED1'))).toEqual([]);
    expect(readFileSync(userland.at('/etc/cron.d/isocket-ED1'), 'utf8')).toContain(' parser1 output=');
  });

  it('go one by one, and with all that they had', async () => {
    const left = (): Promise<string> =>
      ok('find', '/etc', '/var/lib', '/usr/local', '-maxdepth', '4', '(', '-name', '*isocket*', '-o', '-path', '*/isocket/*', ')'); // prettier-ignore
    const before = await left();
    const dry = await setUp('--uninstall', 'ED1', '--purge', '--dry-run');
    expect(await left()).toBe(before);
    const said = await setUp('--uninstall', 'ED1', '--purge');
    expect(said.replaceAll('removed ', 'would remove ')).toContain(dry);
    expect(await left()).not.toContain('ED1');
    expect(await left()).toContain('/var/lib/isocket/ED2');
    expect(await setUp('--uninstall', 'ED1')).toContain('nothing to do: site ED1 is not installed');
    await setUp('--uninstall');
    expect(existsSync(userland.at('/etc/isocket/ED2/.isocketrc'))).toBe(true);
    expect(existsSync(userland.at('/var/lib/isocket/ED2'))).toBe(true);
    await setUp('--uninstall', '--purge');
    expect(await left()).toBe('');
  });
});

describe('the .deb', () => {
  let userland: Userland;
  let place: string;

  beforeAll(async () => {
    place = `${folder}/deb`;
    mkdirSync(place);
    chmodSync(folder, 0o755);
    await execa(process.execPath, ['deb.ts', place, `${folder}/isocket.tgz`], { cwd: CLONE });
    userland = await startUserland(place);
  }, 3 * MINUTES);
  afterAll(() => userland[Symbol.asyncDispose]());

  it('is installed, works, and is taken away with all that it had', { timeout: 3 * MINUTES }, async () => {
    const ok = async (...command: readonly string[]): Promise<string> => {
      const { exitCode, stdout, stderr } = await userland.run(...command);
      expect(exitCode, `${command.join(' ')}: ${stdout}${stderr}`).toBe(0);
      return stdout;
    };
    const [file] = readdirSync(place).filter((name) => name.endsWith('.deb'));
    await ok('dpkg', '--install', `${place}/${file}`);
    expect(await ok('dpkg', '--verify', 'isocket')).toBe('');
    expect(await ok('id', '--name', '--user', 'isocket')).toBe('isocket');
    expect(await ok('isocket', '--version')).toMatch(/^\d+\.\d+\.\d+/);
    for (const unit of [
      'isocket@ED1.service',
      'isocket@ED1.timer',
      'isocket-scan@ED1.service',
      'isocket-receive.service',
    ])
      await ok('systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', unit);
    expect(await ok('runuser', '-u', 'isocket', '--', 'isocket', 'demo', '--json')).toContain(
      '"type":"finished","directory":"DC3"',
    );
    await ok('install', '-d', '-o', 'isocket', '/etc/isocket/ED1', '/var/lib/isocket/ED1', '/datas');
    const init =
      'cd /etc/isocket/ED1 && isocket init --site ED1 --root /datas --host 127.0.0.1 --port 1 --path /x --yes';
    await ok('runuser', '-u', 'isocket', '--', 'sh', '-c', init);
    expect(await ok('stat', '-c', '%U', '/etc/isocket/ED1/.isocketrc')).toBe('isocket');

    await ok('dpkg', '--remove', 'isocket');
    expect(existsSync(userland.at('/usr/bin/isocket'))).toBe(false);
    expect(existsSync(userland.at('/usr/lib/isocket'))).toBe(false);
    expect(existsSync(userland.at('/var/lib/isocket/ED1'))).toBe(true);
    await ok('dpkg', '--purge', 'isocket');
    for (const gone of ['/etc/isocket', '/var/lib/isocket']) expect(existsSync(userland.at(gone)), gone).toBe(false);
  });

  it('is what a container has: its services send and receive', { timeout: 3 * MINUTES }, async () => {
    const [file] = readdirSync(place).filter((name) => name.endsWith('.deb'));
    const { script, user } = containerSteps({ UID: '4242', GID: '4243' });
    await userland.run('userdel', 'isocket'); // A package that is purged leaves its user.
    // Where the package comes from is the only difference.
    const here = script.replace(/apt-get update .* rm -rf \S+ \S+/, `dpkg --install ${place}/${file}`);
    expect(await userland.run('sh', '-ec', here)).toMatchObject({ exitCode: 0 });
    const owners = await userland.run('stat', '-c', '%u:%g', '/var/lib/isocket/.ssh', '/etc/isocket', '/datas');
    expect(owners.stdout.split('\n')).toEqual(['4242:4243', '4242:4243', '4242:4243']);
    await sendThroughServices(userland, user);
  });
});
