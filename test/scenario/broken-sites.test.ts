import { execFileSync } from 'node:child_process';
import { execa } from 'execa';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import type { LiveSiteStatus } from '../../src/status/live/live-status.ts';
import { ask } from '../support/http-client.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';

// Each is broken in one way: status, the metrics, what is answered over HTTP and one alert name the cause.

let folder: string;
let server: TestServer;
let port: number;
let site: TestSite;
let resources: AsyncDisposableStack;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-broken-'));
  resources = new AsyncDisposableStack();
  server = resources.use(await startOwnReceiver(folder));
  port = await freePort();
});
afterEach(async () => {
  await resources.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

const makeBroken = (alerts: object): TestSite =>
  makeSite(folder, server, {
    more: {
      status: { listen: port, textfile: `${folder}/site/isocket.prom` },
      hooks: { alert: `cat >>'${folder}/alerts'` },
      alerts: { down: '1s', unsent: null, ...alerts },
      send: { durable: false, retry: { first: '10ms', most: '200ms', hold: 1 } },
    },
  });
const USER = 54321;
/** The site, and what it needs to be shipped, is that user's. */
const giveTo = (user: number): void => {
  writeFileSync(`${folder}/site/key`, readFileSync(server.identityFile), { mode: 0o600 });
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { destination: object };
  const destination = { ...config.destination, identityFile: `${folder}/site/key` };
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
  writeFileSync(`${folder}/alerts`, '');
  execFileSync('chown', ['-R', `${user}:65534`, `${folder}/site`, `${folder}/alerts`]);
  chmodSync(folder, 0o755);
};
/** Kind and message of what was raised. */
const alerts = (): (readonly [string, string])[] =>
  existsSync(`${folder}/alerts`)
    ? readFileSync(`${folder}/alerts`, 'utf8')
        .trim()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { kind: string; message: string })
        .map(({ kind, message }) => [kind, message])
    : [];
const isServing = ({ type }: IsocketEvent): boolean => type === 'listening';
const SOON = { timeout: 20_000 };

interface Broken {
  readonly what: string;
  readonly alerts?: object;
  /** Before the daemon begins. */
  readonly break: () => Promise<void> | void;
  /** isocket runs as this user, whose the site is. */
  readonly user?: number;
  /** While it runs. */
  readonly then?: () => void;
  /** Named by status, over HTTP, and by the alert. */
  readonly words: RegExp;
  readonly kind: string;
  readonly metric: RegExp;
}

const sites: readonly Broken[] = [
  {
    what: 'a full destination',
    break: async () => {
      await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', server.folder]);
      resources.defer(async () => {
        await execa('umount', [server.folder]);
      });
      // One that would fit if nothing else were there.
      writeFileSync(`${server.folder}/ballast`, Buffer.alloc(1024 * 1024 - 8192));
      parser(site.root).writeFiles('DC1', 1, 100_000);
    },
    words: /is full|no space/,
    kind: 'down',
    metric: /^isocket_send_failures_total\{class="destination-full",site="site"\} [1-9]/m,
  },
  {
    what: 'a wrong host key',
    break: () => {
      const [host = '', type = ''] = readFileSync(server.knownHosts, 'utf8').split(' ');
      const other = readFileSync(`${folder}/receiver/user_key.pub`, 'utf8').split(' ')[1] ?? '';
      writeFileSync(server.knownHosts, `${host} ${type} ${other}\n`);
      parser(site.root).writeFiles('DC1', 1);
    },
    words: /host key/,
    kind: 'refused',
    metric: /^isocket_problems\{kind="refused",site="site"\} 1$/m,
  },
  {
    what: 'one file that cannot be delivered',
    break: () => {
      parser(site.root).writeFiles('DC1', 3);
      mkdirSync(`${server.folder}/DC1/file-2/in the way`, { recursive: true });
    },
    words: /DC1\/file-2/,
    kind: 'held',
    metric: /^isocket_held_files\{site="site"\} 1$/m,
  },
  {
    what: 'one file that cannot be read',
    user: USER,
    break: () => {
      parser(site.root).writeFiles('DC1', 3);
      chmodSync(`${site.root}/DC1/file-2`, 0);
    },
    words: /DC1\/file-2.*permission denied/,
    kind: 'held',
    metric: /^isocket_held_files\{site="site"\} 1$/m,
  },
  {
    what: 'a directory that cannot be finished',
    break: () => {
      parser(site.root).writeFiles('DC1', 1);
      mkdirSync(`${site.root}/DC1/finished.watch`);
      parser(site.root).closeDirectory('DC1');
    },
    words: /DC1 cannot be finished: rename finished\.watch, a name that isocket needs itself/,
    kind: 'held',
    metric: /^isocket_problems\{kind="held",site="site"\} 1$/m,
  },
  {
    what: 'files that are born with the mark',
    break: () => mkdirSync(`${site.root}/DC1`),
    then: () => {
      // What umask 002 does.
      const umask = process.umask(0o002);
      writeFileSync(`${site.root}/DC1/file-1`, 'x');
      process.umask(umask);
    },
    words: /DC1: 1 file was created with g\+w/,
    kind: 'umask',
    metric: /^isocket_problems\{kind="umask",site="site"\} 1$/m,
  },
  {
    what: 'a parser that is silent',
    alerts: { silent: '1h' },
    break: () => {
      parser(site.root).writeFiles('DC1', 1);
      for (const path of ['DC1/file-1', 'DC1']) utimesSync(`${site.root}/${path}`, 1, Date.now() / 1000 - 7200);
    },
    words: /DC1 is open, and nothing in it has changed for 2 h/,
    kind: 'silent',
    metric: /^isocket_problems\{kind="silent",site="site"\} 1$/m,
  },
  {
    what: 'a root that is away',
    break: () => parser(site.root).writeFiles('DC1', 1),
    then: () => renameSync(site.root, `${site.root}.away`),
    words: /Cannot read source\.root .*it is not there/,
    kind: 'root',
    metric: /^isocket_problems\{kind="root",site="site"\} 1$/m,
  },
];

describe('a broken site tells what is wrong with it:', () => {
  it.each(sites)('$what', async ({ alerts: limits = {}, words, kind, metric, ...broken }) => {
    site = makeBroken({ success: '2s', ...limits }); // A short limit makes the daemon look often.
    await broken.break();
    const { user } = broken;
    if (user !== undefined) giveTo(user);
    const as = user === undefined ? {} : { through: ['setpriv', `--reuid=${user}`, '--regid=65534', '--clear-groups'] };
    await using daemon = site.start(['daemon'], as);
    await daemon.event(isServing);
    broken.then?.();
    await expect
      .poll(() => alerts().find((alert) => alert[0] === kind)?.[1], SOON)
      .toEqual(expect.stringMatching(words));
    await expect.poll(async () => (await ask(port, '/metrics')).text, SOON).toMatch(metric);
    const { problems, notes = [], daemon: live } = JSON.parse((await ask(port, '/status.json')).text) as LiveSiteStatus;
    expect(JSON.stringify([problems, notes, live.failures])).toMatch(words);
    const { stdout, stderr } = await site.run(['status'], user === undefined ? {} : { user });
    expect(stdout + stderr).toMatch(words);
    const { code, text } = await ask(port, '/healthz');
    // Files that are born with the mark are sent all the same.
    if (kind === 'umask') expect(code).toBe(200);
    else expect([code, text]).toEqual([503, expect.stringMatching(words)]);
    await daemon.stop();
  });

  it('a root that is away as the daemon begins: it is told of, and waited for', async () => {
    site = makeBroken({ success: '2s' });
    parser(site.root).writeFiles('DC1', 1);
    expect((await site.scan()).exitCode).toBe(0);
    renameSync(site.root, `${site.root}.away`);
    parser(`${site.root}.away`).writeFiles('DC2', 1);
    await using daemon = site.start(['daemon']);
    await daemon.event((event) => event.type === 'note' && /the daemon begins when it is there/.test(event.message));
    await expect.poll(alerts, SOON).toEqual([['root', expect.stringContaining('it is not there')]]);
    expect(readFileSync(`${folder}/site/isocket.prom`, 'utf8')).toMatch(
      /^isocket_problems\{kind="root",site="site"\} 1$/m,
    );
    renameSync(`${site.root}.away`, site.root);
    await daemon.event(({ type }) => type === 'sent');
    expect(await daemon.stop()).toBe(143);
    // A root that never was there is a mistake.
    rmSync(`${folder}/site/state`, { recursive: true, force: true });
    rmSync(site.root, { recursive: true });
    const { exitCode } = await site.run(['daemon']);
    expect(exitCode).toBe(2);
  });

  it('a daemon that is dead', async () => {
    site = makeBroken({});
    parser(site.root).writeFiles('DC1', 1);
    const daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'sent');
    expect((await site.run(['status'])).exitCode).toBe(0);
    await daemon.stop('SIGKILL');
    const { exitCode, stdout } = await site.run(['status']);
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(
      /^PROBLEM: the daemon \(process \d+, since .*\) ended without being stopped: it was killed, or its host went down; start it again/m,
    );
    expect((await site.run(['status', '--check'])).stdout).toMatch(/^ISOCKET WARNING - .*the daemon \(process/);
    // A scan does its work.
    expect((await site.scan()).exitCode).toBe(0);
    expect((await site.run(['status'])).exitCode).toBe(0);
    // One that is stopped is not missed.
    await using again = site.start(['daemon']);
    await again.event(isServing);
    await again.stop();
    expect((await site.run(['status'])).exitCode).toBe(0);
  });
});

describe('a scan names it too:', () => {
  it('a root that is away, once, and once when it is back, though it cannot begin', async () => {
    site = makeBroken({});
    parser(site.root).writeFiles('DC1', 1);
    expect((await site.scan()).exitCode).toBe(0);
    renameSync(site.root, `${site.root}.away`);
    for (let count = 0; count < 2; count += 1) expect((await site.scan()).exitCode).toBe(2);
    expect(alerts()).toEqual([['root', expect.stringContaining('it is not there')]]);
    mkdirSync(site.root); // It is unmounted.
    expect((await site.scan()).exitCode).toBe(2);
    expect(alerts()).toHaveLength(1);
    rmSync(site.root, { recursive: true });
    renameSync(`${site.root}.away`, site.root);
    expect((await site.scan()).exitCode).toBe(0);
    expect(alerts().map(([kind]) => kind)).toEqual(['root', 'root']);
  });

  it('a directory that cannot be finished, until its name is free', async () => {
    site = makeBroken({});
    parser(site.root).writeFiles('DC1', 1);
    mkdirSync(`${site.root}/DC1/finished.parse`);
    parser(site.root).writeFiles('DC2', 1);
    expect((await site.scan()).exitCode).toBe(3);
    expect(alerts()).toEqual([
      ['held', 'DC1 cannot be finished: rename finished.parse, a name that isocket needs itself'],
    ]);
    expect(readFileSync(`${folder}/site/isocket.prom`, 'utf8')).toMatch(
      /^isocket_problems\{kind="held",site="site"\} 1$/m,
    );
    rmSync(`${site.root}/DC1/finished.parse`, { recursive: true });
    expect((await site.scan()).exitCode).toBe(0);
    expect(alerts().map(([kind]) => kind)).toEqual(['held', 'held']);
  });

  it('files that are born with the mark, and a parser that is silent', async () => {
    site = makeBroken({ silent: '1h' });
    parser(site.root).writeFiles('DC1', 1);
    chmodSync(`${site.root}/DC1/file-1`, 0o644);
    mkdirSync(`${site.root}/DC2`);
    const umask = process.umask(0o002);
    writeFileSync(`${site.root}/DC2/file-1`, 'x');
    process.umask(umask);
    expect((await site.run(['status'])).stdout).toMatch(/^note: DC2: 1 file was created with g\+w/m);
    expect((await site.scan()).exitCode).toBe(0);
    expect(alerts()).toEqual([['umask', expect.stringContaining('DC2: 1 file was created with g+w')]]);
    utimesSync(`${site.root}/DC2/file-1`, 1, 1);
    utimesSync(`${site.root}/DC2`, 1, 1);
    const { exitCode, stdout } = await site.run(['status']);
    expect([exitCode, stdout]).toEqual([
      3,
      expect.stringMatching(/^PROBLEM: DC2 is open, and nothing in it has changed/m),
    ]);
    expect((await site.scan()).exitCode).toBe(0);
    expect(alerts().map(([kind]) => kind)).toContain('silent');
    expect(readFileSync(`${folder}/site/isocket.prom`, 'utf8')).toMatch(
      /^isocket_problems\{kind="silent",site="site"\} 1$/m,
    );
  });
});
