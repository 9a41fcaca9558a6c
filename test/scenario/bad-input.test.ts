import { execa } from 'execa';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { isFinished, parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

const NOBODY = 65_534;

let folder: string;
let server: TestServer;
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-bad-'));
  chmodSync(folder, 0o755);
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

let name: string;
beforeEach(() => {
  count += 1;
  name = `case${count}`;
});

/** A site with one closed directory of three files. */
const filledSite = (options: SiteOptions = {}): TestSite => {
  const path = `${server.path}/${name}`;
  const site = makeSite(folder, server, { name, ...options, destination: { path, ...options.destination } });
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 3);
  closeDirectory('DC1');
  return site;
};

/** Gives these paths below the root, and what the program needs beside them, to a user who is not root. */
const giveToNobody = (site: TestSite, below: readonly string[]): void => {
  const home = `${folder}/${name}`;
  const identityFile = `${home}/key`;
  writeFileSync(identityFile, readFileSync(server.identityFile), { mode: 0o600 });
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { destination: object };
  writeFileSync(site.config, JSON.stringify({ ...config, destination: { ...config.destination, identityFile } }));
  for (const path of [home, identityFile, site.config, ...below.map((one) => site.root + one)])
    chownSync(path, NOBODY, NOBODY);
  chmodSync(`${folder}/sshd`, 0o755);
};

const expectNothingLost = (site: TestSite): void => {
  expect(isFinished(site.root, 'DC1')).toBe(false);
  expect(unmarked(`${site.root}/DC1`)).toHaveLength(3);
};

describe('configuration: exit 2', () => {
  const withText = (text: string): TestSite => {
    const site = filledSite();
    writeFileSync(site.config, text);
    return site;
  };
  const destination = 'destination: { transport: sftp, host: h, path: /p }';
  it.each([
    [
      'unknown key',
      `source: { root: /datas, setle: 2s }\n${destination}`,
      ['source.setle', '"2s"', 'perhaps "settle"'],
    ],
    ['wrong type', `source: { root: /datas, tag: 7 }\n${destination}`, ['source.tag is 7', 'string']],
    [
      'a duration without unit',
      `source: { root: /datas, settle: 2 }\n${destination}`,
      ['source.settle is 2', 'with its unit'],
    ],
    [
      'two problems at once',
      `source: { root: datas }\nverify: yes please\n${destination}`,
      ['2 problems', 'source.root', 'an absolute path', 'verify', 'one of sent, all'],
    ],
    [
      'problems of a destination',
      `source: { root: /datas }\ndestination: { transport: sftp, prt: 22 }`,
      ['destination.host is missing', 'destination.path is missing', 'destination.prt', 'perhaps "port"'],
    ],
    [
      'unknown transport',
      `source: { root: /datas }\ndestination: { transport: ftp }`,
      ['destination.transport is "ftp"', 'sftp'],
    ],
    [
      'a host that ssh would take for an option',
      `source: { root: /datas }\ndestination: { transport: sftp, host: "-oProxyCommand=x", path: /p }`,
      ['destination.host', 'name or address'],
    ],
    ['an empty file', '', ['source is missing', 'destination is missing']],
    ['no YAML', 'source: [', ['Cannot read configuration', 'correct it']],
    [
      'the same key twice',
      `verify: all\nverify: sent\nsource: { root: /datas }\n${destination}`,
      ['Cannot read configuration', 'uplicate'],
    ],
  ])('%s', async (_title, text, words) => {
    const site = withText(text);
    const { exitCode, stderr } = await site.run(['scan']);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 2 });
    for (const word of words) expect(stderr).toContain(word);
    expect(stderr).not.toContain('    at ');
    expectNothingLost(site);
  });

  it('no configuration', async () => {
    const site = filledSite();
    rmSync(site.config);
    const { exitCode, stderr } = await site.run(['scan']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('Cannot find a configuration');
  });

  it('a configuration that is named and not there', async () => {
    const { exitCode, stderr } = await filledSite().run(['--config', '/nowhere/rc', 'scan']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('"/nowhere/rc": it is not there');
  });

  it('an unknown command and an unknown option', async () => {
    const site = filledSite();
    expect((await site.run(['scna'])).exitCode).toBe(2);
    const { exitCode, stderr } = await site.run(['scan', '--dryrun']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--dry-run');
  });

  it('a root that is missing, a symbolic link, or not to be read', async () => {
    const missing = filledSite({ source: { root: '/nowhere' } });
    const first = await missing.run(['scan']);
    expect([first.exitCode, first.stderr]).toEqual([2, expect.stringContaining('"/nowhere": it is not there')]);

    const link = `${folder}/${name}/link`;
    symlinkSync(missing.root, link);
    const second = await filledSite({ source: { root: link } }).run(['scan']);
    expect([second.exitCode, second.stderr]).toEqual([2, expect.stringContaining('a symbolic link')]);

    const site = filledSite();
    chownSync(site.config, NOBODY, NOBODY);
    chmodSync(site.root, 0o700);
    const third = await site.run(['scan'], { user: NOBODY });
    expect([third.exitCode, third.stderr]).toEqual([2, expect.stringContaining('permission denied')]);
  });

  it('a Node that is too old', async () => {
    // Only the check runs: an old Node never gets as far as the import.
    const source = readFileSync(new URL('../../src/cli.ts', import.meta.url), 'utf8').replace(
      'process.versions.node;',
      "'20.11.0';",
    );
    const copy = `${folder}/old-node.mts`;
    writeFileSync(copy, source);
    const { exitCode, stderr } = await execa(process.execPath, [copy], { reject: false });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('cannot run on Node 20.11.0: Node 24 or newer is needed');
  });
});

describe('destination: exit 3, nothing lost', () => {
  const expectUnsent = async (site: TestSite, ...words: string[]): Promise<void> => {
    const { exitCode, stderr } = await site.run(['scan']);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 3 });
    for (const word of words) expect(stderr).toContain(word);
    expectNothingLost(site);
  };

  it('a port where nobody listens', async () => {
    await expectUnsent(
      filledSite({ destination: { port: await freePort() } }),
      'nothing listens there',
      'destination.port',
    );
  });

  it('an unknown host key', async () => {
    const knownHosts = `${folder}/${name}-empty`;
    writeFileSync(knownHosts, '');
    await expectUnsent(
      filledSite({ destination: { knownHosts } }),
      'is unknown',
      'SHA256:',
      `echo '[127.0.0.1]:${server.port} ssh-ed25519 `,
    );
  });

  it('a changed host key', async () => {
    const other = (await makeKey(`${folder}/${name}-other`)).split(' ').slice(0, 2).join(' ');
    const knownHosts = `${folder}/${name}-changed`;
    writeFileSync(knownHosts, `[127.0.0.1]:${server.port} ${other}\n`);
    await expectUnsent(filledSite({ destination: { knownHosts } }), 'CHANGED', 'ssh-keygen');
  });

  it('a key that the server does not know, and one that is not there', async () => {
    await makeKey(`${folder}/${name}-stranger`);
    await expectUnsent(
      filledSite({ destination: { identityFile: `${folder}/${name}-stranger` } }),
      'refused the key',
      'authorized_keys',
    );
    name += 'b';
    await expectUnsent(
      filledSite({ destination: { identityFile: '/nowhere' } }),
      'Cannot read destination.identityFile',
      'ssh-keygen -t ed25519',
    );
  });

  it('a destination that cannot be written', async () => {
    writeFileSync(`${server.folder}/${name}-file`, '');
    await expectUnsent(
      filledSite({ destination: { path: `${server.path}/${name}-file/below` } }),
      'Cannot',
      'destination.path',
    );
    await expectUnsent(filledSite({ destination: { path: '/proc/isocket' } }), 'Cannot make folder');
  });

  it('a destination that is full, and freed again', async () => {
    const full = `${server.folder}/${name}`;
    mkdirSync(full);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', full]);
    try {
      writeFileSync(`${full}/ballast`, Buffer.alloc(1024 * 1024 - 8192));
      const site = filledSite();
      parser(site.root).writeFile('DC1/file-1', 100_000);
      const { exitCode, stderr } = await site.run(['scan']);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 3 });
      expect(stderr).toContain('no space left on device');
      expect(isFinished(site.root, 'DC1')).toBe(false);
      expect(existsSync(`${full}/DC1/file-1`)).toBe(false);
      rmSync(`${full}/ballast`);
      expect((await site.scan()).exitCode).toBe(0);
      expect(isFinished(site.root, 'DC1')).toBe(true);
      expect(differences(`${site.root}/DC1`, `${full}/DC1`)).toEqual([]);
    } finally {
      await execa('umount', [full]);
    }
  });
});

describe('one bad file', () => {
  it('that cannot be marked: it is not sent in vain, the others are', async () => {
    const site = filledSite();
    giveToNobody(site, ['', '/DC1', '/DC1/file-1', '/DC1/file-2']); // file-3 stays root's: it cannot be marked.
    const { exitCode, stderr } = await site.run(['scan'], { user: NOBODY });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 3 });
    expect(stderr).toContain('DC1/file-3": it belongs to user root, isocket runs as user nobody');
    expect(unmarked(`${site.root}/DC1`)).toEqual(['file-3']);
    expect(existsSync(`${server.folder}/${name}/DC1/file-3`)).toBe(false);
    expect(isFinished(site.root, 'DC1')).toBe(false);
  });

  it('whose mark the file system refuses', async () => {
    const site = filledSite();
    await execa('chattr', ['+i', `${site.root}/DC1/file-2`]);
    try {
      const { exitCode, stderr } = await site.run(['scan']);
      expect(exitCode).toBe(3);
      expect(stderr).toContain('Cannot mark');
      expect(unmarked(`${site.root}/DC1`)).toEqual(['file-2']);
      expect(isFinished(site.root, 'DC1')).toBe(false);
    } finally {
      await execa('chattr', ['-i', `${site.root}/DC1/file-2`]);
    }
    expect((await site.run(['scan'])).exitCode).toBe(0);
    expect(isFinished(site.root, 'DC1')).toBe(true);
  });

  it('whose name is taken by a directory at the destination', async () => {
    const site = filledSite();
    mkdirSync(`${server.folder}/${name}/DC1/file-2/sub`, { recursive: true });
    const { exitCode, stderr } = await site.run(['scan']);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/"DC1\/file-2" to \S+: a folder stands where the file must go/);
    expect(stderr).toContain('move away the folder of that name there');
    expect(unmarked(`${site.root}/DC1`)).toEqual(['file-2']);
    expect(isFinished(site.root, 'DC1')).toBe(false);
  });
});

describe('a directory that may not be read', () => {
  const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, '--regid=65534', '--clear-groups'];
  let site: TestSite;

  // DC1 is closed to us from the first moment, DC2 is not.
  beforeEach(() => {
    site = filledSite();
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC2', 3);
    closeDirectory('DC2');
    giveToNobody(site, ['', '/DC1', '/DC2', ...[1, 2, 3].flatMap((n) => [`/DC1/file-${n}`, `/DC2/file-${n}`])]);
    chmodSync(`${site.root}/DC1`, 0);
  });
  const words = 'Cannot work on "DC1": permission denied';
  const fix = 'let the user that runs isocket read and write it';

  it.each([
    [['scan', '--dry-run'], 3, words],
    [['status'], 3, 'NOT READABLE: permission denied'],
    [['check'], 2, words],
    [['reset', 'DC1'], 3, words],
    [['verify', 'DC1'], 3, 'Cannot verify DC1: permission denied'],
    [['send', 'datas/DC1/file-1'], 3, words],
  ])('%j reports it with the fix', async (args, code, message) => {
    const { exitCode, stdout, stderr } = await site.run(args, { user: NOBODY });
    expect(stdout + stderr).toContain(message);
    expect(stdout + stderr).toContain(fix);
    expect(stdout + stderr).not.toContain('/proc/');
    expect(exitCode).toBe(code);
  });

  it('keeps scan from it alone', async () => {
    const { exitCode, stderr } = await site.run(['scan'], { user: NOBODY });
    expect(stderr).toContain(`${words}; ${fix}`);
    expect(exitCode).toBe(3);
    expect([isFinished(site.root, 'DC1'), isFinished(site.root, 'DC2')]).toEqual([false, true]);
    chmodSync(`${site.root}/DC1`, 0o755);
    expect((await site.run(['scan'], { user: NOBODY })).exitCode).toBe(0);
    expect(differences(`${site.root}/DC1`, `${server.folder}/${name}/DC1`)).toEqual([]);
  });

  it('blocks only that directory in the daemon, is reported once, and resumes when it can be read', async () => {
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as { source: object };
    writeFileSync(site.config, JSON.stringify({ ...config, source: { ...config.source, rescan: '100ms' } }));
    await using daemon = site.start(['daemon'], { through: AS_NOBODY });
    const finished = (directory: string) =>
      daemon.event((event) => event.type === 'finished' && event.directory === directory);
    await finished('DC2');
    parser(site.root).writeFiles('DC3', 1);
    giveToNobody(site, ['/DC3', '/DC3/file-1']);
    parser(site.root).closeDirectory('DC3');
    await finished('DC3');
    expect(daemon.events.filter((event) => event.type === 'failed').map(({ path }) => path)).toEqual(['DC1']);
    chmodSync(`${site.root}/DC1`, 0o755);
    await finished('DC1');
    expect(differences(`${site.root}/DC1`, `${server.folder}/${name}/DC1`)).toEqual([]);
    expect(await daemon.stop()).toBe(143);
  });
});

it('says in one line that another isocket works on the root: exit 4', async () => {
  const site = filledSite({ source: { settle: '0s' } });
  const { lockRoot } = await import('../../src/instance/lock.ts');
  const { idleActivity } = await import('../../src/instance/activity.ts');
  await using stack = new AsyncDisposableStack();
  stack.use(await lockRoot(site, () => idleActivity(new Date())));
  const { exitCode, stderr } = await site.run(['scan']);
  expect(exitCode).toBe(4);
  expect(stderr.trim().split('\n')).toEqual([expect.stringContaining('another isocket already works on')]);
  expectNothingLost(site);
});

it('says nothing where there is nothing to do', async () => {
  const site = filledSite();
  expect((await site.run(['scan'])).exitCode).toBe(0);
  expect(await site.run(['scan'])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
});
