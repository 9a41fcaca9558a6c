import { execa } from 'execa';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, afterAll, describe, expect, it } from 'vitest';
import { makeBarePath, NODE_COMMANDS } from '../support/bare-path.ts';

// What install.sh asks of the system's package manager, and of npm. None of them is run: what stands in their place writes
// down how it was called.

const INSTALL = new URL('../../install.sh', import.meta.url).pathname;
const MANAGERS = ['apt-get', 'dnf', 'apk', 'pacman', 'zypper'];
const NOBODY = 65_534;

let base: string;
let bare: string;
let folder: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'isocket-packages-'));
  chmodSync(base, 0o755);
  bare = makeBarePath(base, [...NODE_COMMANDS, ...MANAGERS, 'rsync', 'inotifywait', 'systemctl']);
});
afterAll(() => {
  rmSync(base, { recursive: true });
});
beforeEach(() => {
  folder = mkdtempSync(`${base}/case-`);
  chmodSync(folder, 0o755);
  mkdirSync(`${folder}/bin`);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const script = (path: string, text: string): void => {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
};
/** A program that writes down how it was called. */
const standIn = (name: string, then = ''): void =>
  script(`${folder}/bin/${name}`, `echo "${name} $*" >>"${folder}/calls"\n${then}`);
const calls = (): string[] =>
  existsSync(`${folder}/calls`) ? readFileSync(`${folder}/calls`, 'utf8').trimEnd().split('\n') : [];

/** A package that is installed already, so that nothing but the system's packages is left to do. */
const installed = async (): Promise<string[]> => {
  const [from, lib] = [`${folder}/isocket.tgz`, `${folder}/P/lib/isocket`];
  writeFileSync(from, 'a package');
  mkdirSync(lib, { recursive: true });
  const { stdout } = await execa('cksum', { inputFile: from });
  writeFileSync(`${lib}/stamp`, `${stdout}\n`);
  mkdirSync(`${folder}/P/bin`);
  script(`${folder}/P/bin/isocket`, 'echo 1.2.3');
  return ['--prefix', `${folder}/P`, '--from', from];
};
const install = (args: readonly string[], { user }: { readonly user?: number } = {}) => {
  const command = ['sh', INSTALL, ...args];
  const [file = '', ...rest] =
    user === undefined ? command : ['setpriv', `--reuid=${user}`, '--regid=65534', '--clear-groups', ...command];
  return execa(file, rest, {
    reject: false,
    extendEnv: false,
    env: { PATH: `${folder}/bin:${bare}`, HOME: folder, DESTDIR: `${folder}/system` },
  });
};

describe('--with-rsync --with-inotify', () => {
  it.each([
    ['apt-get', ['apt-get update -q', 'apt-get install -q -y --no-install-recommends rsync inotify-tools']],
    ['dnf', ['dnf install -y rsync inotify-tools']],
    ['apk', ['apk add rsync inotify-tools']],
    ['pacman', ['pacman -S --noconfirm --needed rsync inotify-tools']],
    ['zypper', ['zypper --non-interactive install rsync inotify-tools']],
  ])('asks %s for them', async (manager, wanted) => {
    standIn(manager);
    const given = await installed();
    const { exitCode, stderr } = await install([...given, '--with-rsync', '--with-inotify']);
    expect(exitCode, stderr).toBe(0);
    expect(calls()).toEqual(wanted);

    const dry = await install([...given, '--with-rsync', '--with-inotify', '--dry-run']);
    expect(dry.stdout).toContain(`would run: ${manager === 'apt-get' ? 'env DEBIAN_FRONTEND=noninteractive ' : ''}${wanted.at(-1)}`); // prettier-ignore
    expect(calls()).toEqual(wanted);
  });

  it('asks for nothing that is there', async () => {
    standIn('apt-get');
    standIn('rsync');
    const given = await installed();
    const { exitCode } = await install([...given, '--with-rsync', '--with-inotify']);
    expect(exitCode).toBe(0);
    expect(calls().at(-1)).toMatch(/recommends inotify-tools$/);
    standIn('inotifywait');
    const second = await install([...given, '--with-rsync', '--with-inotify']);
    expect(second.stdout).toContain('nothing to do');
    expect(calls()).toHaveLength(2);
  });

  it('says what to install where it knows no package manager', async () => {
    const { exitCode, stderr } = await install([...(await installed()), '--with-rsync', '--with-inotify']);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      'install.sh: cannot install rsync inotify-tools: no known package manager\n' +
        '  install it by hand, then run this again',
    );
  });

  it('says what root has to type', async () => {
    standIn('dnf');
    const { exitCode, stderr } = await install([...(await installed()), '--with-rsync'], { user: NOBODY });
    expect(exitCode).toBe(1);
    expect(stderr).toBe('install.sh: cannot install packages without root\n  run as root: dnf install -y rsync');
    expect(calls()).toEqual([]);
  });

  it('says so when the package manager fails, and installs nothing', async () => {
    standIn('zypper', 'exit 104');
    const { exitCode } = await install([...(await installed()), '--with-rsync']);
    expect(exitCode).toBe(104);
  });
});

describe('without root, in the crontab', () => {
  const ours = (site: string): RegExp => new RegExp(`^[*]/5 .*/\\.config/isocket/${site}/.* # isocket ${site}$`, 'm');
  const table = (): string => readFileSync(`${folder}/table`, 'utf8');
  /** A crontab that is kept in a file. */
  const cronOf = (whenRead: string): void =>
    script(`${folder}/bin/crontab`, `case $1 in -l) ${whenRead} ;; *) cat >"${folder}/table" ;; esac`);
  const installAs = async (...args: readonly string[]) => {
    const { exitCode, stdout, stderr } = await install([...given, ...args], { user: NOBODY });
    return { exitCode, said: `${stdout}\n${stderr}` };
  };
  let given: string[];
  beforeEach(async () => {
    given = await installed();
    for (const name of ['isocket.cron', 'isocket@.service', 'isocket-scan@.service', 'isocket@.timer'])
      cpSync(new URL(`../../templates/${name}`, import.meta.url), `${folder}/P/lib/isocket/templates/${name}`);
    writeFileSync(`${folder}/table`, '# mine\n0 1 * * * true # isocket aXb\n');
    await execa('chown', ['-R', String(NOBODY), folder]);
    cronOf(`cat "${folder}/table"`);
  });

  it('has a line for each site, beside the lines of others', async () => {
    expect(await installAs('--cron', 'a.b')).toMatchObject({ exitCode: 0 });
    expect(await installAs('--cron', 'ED1')).toMatchObject({ exitCode: 0 });
    const before = table();
    expect(before).toMatch(/^# mine\n0 1 [*] [*] [*] true # isocket aXb\n/);
    expect(before).toMatch(ours('a\\.b'));
    expect(before).toMatch(ours('ED1'));
    expect((await installAs('--cron', 'a.b')).said).toContain('nothing to do');
    expect(table()).toBe(before);
    expect((await installAs('--daemon', 'a.b')).said).toContain('removed a line from your crontab');
    expect(table()).toBe(before.split('\n').filter((line) => !line.endsWith('isocket a.b')).join('\n')); // prettier-ignore
  });

  it('is not written where it cannot be read', async () => {
    cronOf('echo "crontab: spool: permission denied" >&2; exit 1');
    const { exitCode, said } = await installAs('--cron', 'ED1');
    expect(exitCode).toBe(1);
    expect(said).toContain('cannot read your crontab');
    expect(table()).not.toContain('ED1');
    cronOf('echo "no crontab for nobody" >&2; exit 1');
    expect(await installAs('--cron', 'ED1')).toMatchObject({ exitCode: 0 });
    expect(table()).toMatch(ours('ED1'));
  });

  it('runs a site as who installs it', async () => {
    const { exitCode, said } = await installAs('--cron', 'ED1', '--user', 'daemon');
    expect(exitCode).toBe(2);
    expect(said).toContain('cannot run a site as daemon without root');
  });
});

describe('--from a package of npm pack, without what isocket needs', () => {
  const bareFrom = async (program = ''): Promise<string[]> => {
    mkdirSync(`${folder}/package/dist`, { recursive: true });
    writeFileSync(`${folder}/package/dist/cli.js`, program);
    writeFileSync(`${folder}/package/package.json`, '{"name":"isocket","version":"1.2.3"}');
    await execa('tar', ['-czf', `${folder}/bare.tgz`, '-C', folder, 'package']);
    return ['--prefix', `${folder}/P`, '--from', `${folder}/bare.tgz`];
  };

  it('asks npm for it; without a network it says how to do without', async () => {
    standIn('npm', 'echo "npm error network: no route to the registry" >&2; exit 1');
    const { exitCode, stderr } = await install(await bareFrom());
    expect(exitCode).toBe(1);
    expect(calls()).toEqual(['npm install --omit=dev --ignore-scripts --no-audit --no-fund --no-package-lock']);
    expect(stderr).toBe(
      'npm error network: no route to the registry\n' +
        'install.sh: cannot fetch what isocket needs\n' +
        '  see above; without a network, install a package made by install.sh --pack',
    );
    expect(existsSync(`${folder}/P/bin/isocket`)).toBe(false);
  });

  it.each([
    [
      'given to a Node that knows them',
      '',
      ' --max-semi-space-size=8 --heap-growing-percent=20 --initial-heap-size=48 --external-memory-accounted-in-global-limit',
    ],
    ['left out where Node refuses them', 'exit 9', ''],
  ])('the flags in the first line of the program are %s', async (_title, answer, flags) => {
    standIn('npm');
    script(`${folder}/bin/node`, `case "$1" in -p) echo 24 ;; --max-*) ${answer} ;; esac`);
    const from = await bareFrom(
      '#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=20 --initial-heap-size=48 --external-memory-accounted-in-global-limit\n',
    );
    const { exitCode, stderr } = await install(from);
    expect(exitCode, stderr).toBe(0);
    expect(readFileSync(`${folder}/P/bin/isocket`, 'utf8')).toBe(
      `#!/bin/sh\nexec '${folder}/bin/node'${flags} '${folder}/P/lib/isocket/dist/cli.js' "$@"\n`,
    );
  });

  it('says that npm is needed where there is none', async () => {
    const { exitCode, stderr } = await install(await bareFrom());
    expect(exitCode).toBe(1);
    expect(stderr).toContain('cannot install npm: no known package manager');
  });
});
