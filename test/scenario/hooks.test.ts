import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import { startPingServer, type PingServer } from '../support/ping-server.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { through } from '../support/through.ts';

const USER = 54321;

let folder: string;
let server: TestServer;
let proxy: Proxy;
let pings: PingServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-hooks-'));
  chmodSync(folder, 0o755);
  server = await startOwnReceiver(folder);
  proxy = await startProxy(server.port);
  pings = await startPingServer();
});
afterEach(async () => {
  await pings[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Appends what it is given to a file. */
const into = (name: string): string => `cat >>'${folder}/${name}'`;
const objects = (name: string): Record<string, unknown>[] =>
  existsSync(`${folder}/${name}`)
    ? readFileSync(`${folder}/${name}`, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
/** "down raised" for each alert so far. */
const alerts = (): string[] => objects('alerts').map(({ kind, state }) => `${String(kind)} ${String(state)}`);

const siteWith = (more: object, options: SiteOptions = {}): TestSite =>
  makeSite(folder, server, { ...options, destination: through(folder, server, proxy.port), more: { ...more } });
/** The site, and what it needs to be shipped, is that user's. */
const giveToUser = (site: TestSite, ...more: string[]): void => {
  writeFileSync(`${folder}/site/key`, readFileSync(server.identityFile), { mode: 0o600 });
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { destination: object };
  const destination = { ...config.destination, identityFile: `${folder}/site/key` };
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
  execFileSync('chown', ['-R', `${USER}:65534`, `${folder}/site`, `${folder}/known`, ...more]);
};
const shipClosed = (site: TestSite, ...names: string[]): void => {
  for (const name of names) {
    parser(site.root).writeFiles(name, 2);
    parser(site.root).closeDirectory(name);
  }
};
const warningsIn = (events: readonly IsocketEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'note' && event.level === 'warning' ? [event.message] : []));
const isPinged = (...paths: string[]) => expect.poll(() => pings.asked, { timeout: 20_000 }).toEqual(paths);

describe('scan', () => {
  it('runs hooks.finished for each directory, one after the other, and pings, as another user with cron’s environment', async () => {
    const command = `mkdir '${folder}/home/alone' && env >'${folder}/home/env' && cat >>'${folder}/home/all' && rmdir '${folder}/home/alone'`;
    const site = siteWith({ hooks: { finished: command, ping: pings.url } });
    const names = Array.from({ length: 12 }, (_none, index) => `DC${index + 1}`);
    shipClosed(site, ...names);
    mkdirSync(`${folder}/home`);
    giveToUser(site, `${folder}/home`);
    const { exitCode, stderr } = await site.run(['scan', '--quiet'], { user: USER });
    expect([exitCode, stderr]).toEqual([0, '']);
    const told = objects('home/all');
    expect(told.map(({ directory }) => String(directory)).toSorted()).toEqual(names.toSorted());
    expect(told.find(({ directory }) => directory === 'DC1')).toEqual({
      type: 'finished',
      site: 'site',
      root: site.root,
      directory: 'DC1',
      path: `${site.root}/DC1`,
      files: 2,
      bytes: 2000,
      closedBy: 'parser',
      at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    });
    expect(readFileSync(`${folder}/home/env`, 'utf8')).toContain(`ISOCKET_CONFIG=${site.config}\n`);
    expect(pings.asked).toEqual(['/start', '']);
  });

  it('tells once that a destination is down, and once that it is not, over several scans', async () => {
    const site = siteWith({ hooks: { alert: into('alerts'), ping: pings.url }, alerts: { down: '0s' } });
    shipClosed(site, 'DC1');
    await proxy.refuse();
    expect((await site.run(['scan'])).exitCode).toBe(3);
    expect((await site.run(['scan'])).exitCode).toBe(3);
    await proxy.accept();
    expect((await site.run(['scan'])).exitCode).toBe(0);
    expect((await site.run(['scan'])).exitCode).toBe(0);
    expect(alerts()).toEqual(['down raised', 'down over']);
    expect(objects('alerts')[0]).toMatchObject({
      type: 'alert',
      site: 'site',
      subjects: [expect.stringContaining('127.0.0.1')],
      message: expect.stringContaining('has been down for') as string,
      since: expect.stringMatching(/Z$/) as string,
    });
    expect(pings.asked).toEqual(['/start', '/fail', '/start', '/fail', '/start', '', '/start', '']);
  });

  it('tells of a refused login at once, of held files, of what is unsent for long and of late directories', async () => {
    const site = siteWith({ hooks: { alert: into('alerts') }, alerts: { unsent: '0s' } });
    shipClosed(site, 'DC1');
    const known = readFileSync(`${folder}/known`);
    writeFileSync(`${folder}/known`, '');
    expect((await site.run(['scan'])).exitCode).toBe(3);
    expect(alerts()).toEqual(['refused raised', 'unsent raised']);
    writeFileSync(`${folder}/known`, known);
    mkdirSync(`${server.folder}/DC1/file-1/in the way`, { recursive: true });
    expect((await site.run(['scan'])).exitCode).toBe(3);
    expect(alerts().slice(2)).toEqual(['refused over', 'held raised']);
    rmSync(`${server.folder}/DC1/file-1`, { recursive: true });
    expect((await site.run(['scan'])).exitCode).toBe(0);
    expect(alerts().slice(4)).toEqual(['held over', 'unsent over']);
    parser(site.root).writeFile('DC1/late');
    for (let count = 0; count < 2; count += 1) expect((await site.run(['scan'])).exitCode).toBe(0);
    expect(alerts().slice(6)).toEqual(['late raised']);
  });

  it('a notice that could not be given is given by the next scan', async () => {
    const command = `test -e '${folder}/works' && ${into('alerts')}`;
    const site = siteWith({ hooks: { alert: command }, alerts: { down: '0s' } });
    shipClosed(site, 'DC1');
    await proxy.refuse();
    const { stderr } = await site.run(['scan']);
    expect(stderr).toContain('warning: Cannot run hooks.alert: it ended with exit code 1');
    writeFileSync(`${folder}/works`, '');
    await site.run(['scan']);
    expect(alerts()).toEqual(['down raised']);
  });

  it.each([
    ['hangs', 'sleep 60', /it took longer than hooks\.timeout, 0\.5 s/],
    ['fails', 'echo no relay >&2; exit 1', /it ended with exit code 1; it said: no relay/],
    ['is missing', ['/nowhere/mail'], /it cannot be started: no such file or directory/],
    ['floods its output', 'yes', /it printed more than 1 MB/],
  ])('a command that %s is a warning, and the scan a success', async (_how, finished, words) => {
    const site = siteWith({ hooks: { finished, timeout: '500ms' } });
    shipClosed(site, 'DC1');
    const { exitCode, stderr } = await site.run(['scan']);
    expect([exitCode, isFinished(site.root, 'DC1')]).toEqual([0, true]);
    expect(stderr).toMatch(new RegExp(`warning: Cannot run hooks\\.finished: ${words.source}`));
  });

  it('ends in time though commands hang, and the next one runs what was not run', async () => {
    const command = `test -e '${folder}/works' || exec sleep 60; ${into('all')}`;
    const site = siteWith({ hooks: { finished: command, timeout: '1s' } });
    shipClosed(site, 'DC1', 'DC2', 'DC3', 'DC4');
    const started = performance.now();
    const { exitCode, stderr } = await site.run(['scan']);
    expect(exitCode).toBe(0);
    expect(performance.now() - started).toBeLessThan(8000);
    writeFileSync(`${folder}/works`, '');
    expect((await site.run(['scan'])).exitCode).toBe(0);
    // What had its time is told; what ran or waited as the scan ended is run now.
    const hung = stderr.split('it took longer than').length - 1;
    expect([hung + objects('all').length, hung < 4]).toEqual([4, true]);
  });

  it('root obeys no command, and writes no log, that another user or his group could have written: it says so, and ships', async () => {
    const site = siteWith({ hooks: { finished: into('all'), ping: pings.url }, log: { file: `${folder}/log` } });
    // Named: one that is found is refused altogether.
    const scan = () => site.run(['--config', site.config, 'scan']);
    expect((await scan()).exitCode).toBe(0); // Makes the state folder.
    rmSync(`${folder}/log`, { force: true });
    pings.asked.length = 0;
    shipClosed(site, 'DC1');
    execFileSync('chown', [String(USER), site.config]);
    const first = await scan();
    expect([first.exitCode, isFinished(site.root, 'DC1')]).toEqual([0, true]);
    expect(first.stderr).toMatch(
      /warning: Cannot obey hooks\.finished, log\.file of configuration "[^"]*": it belongs to user 54321; /,
    );
    execFileSync('chown', ['root', site.config]);
    chmodSync(site.config, 0o664);
    shipClosed(site, 'DC2');
    expect((await scan()).stderr).toContain('it can be written by other users');
    expect([existsSync(`${folder}/all`), existsSync(`${folder}/log`)]).toEqual([false, false]);
    expect(pings.asked).toEqual(['/start', '', '/start', '']);
    chmodSync(site.config, 0o644);
    shipClosed(site, 'DC3');
    expect((await scan()).exitCode).toBe(0);
    expect(objects('all').map(({ directory }) => directory)).toEqual(['DC3']);
  });

  it('a ping that fails is one warning over several scans, and hides the secret', async () => {
    pings.status = 500;
    const site = siteWith({ hooks: { ping: pings.url } });
    const outcomes = [await site.run(['scan']), await site.run(['scan'])];
    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(outcomes.map(({ stderr }) => stderr.split('Cannot ping').length - 1)).toEqual([1, 0]);
    expect(outcomes.map(({ stderr }) => stderr).join()).not.toContain('secret');
  });

  it('that cannot begin pings a failure; one beside another isocket does not ping', async () => {
    const site = siteWith({ hooks: { ping: pings.url }, state: `${folder}/file/state` });
    writeFileSync(`${folder}/file`, '');
    expect((await site.run(['scan'])).exitCode).toBe(2);
    expect(pings.asked).toEqual(['/fail']);
    const other = siteWith({ hooks: { ping: pings.url, pingEvery: '1s' } }, { name: 'other' });
    await using daemon = other.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    await expect.poll(() => pings.asked.slice(0, 3), { timeout: 20_000 }).toEqual(['/fail', '/start', '']);
    expect((await other.run(['scan'])).exitCode).toBe(4);
    expect(pings.asked.filter((path) => path === '/start')).toHaveLength(1);
  });
});

describe('the daemon', () => {
  const quick = { unsent: null, down: '300ms' };

  it('tells and pings when a destination goes down and comes back, and not again after a restart', async () => {
    const site = siteWith({
      hooks: { alert: into('alerts'), finished: into('all'), ping: pings.url, pingEvery: '1h' },
      alerts: quick,
    });
    parser(site.root).writeFile('DC1/one');
    await using first = site.start(['daemon']);
    await first.event(({ type }) => type === 'sent');
    await isPinged('/start', '');
    await proxy.refuse();
    parser(site.root).writeFile('DC1/two');
    await expect.poll(alerts, { timeout: 20_000 }).toContain('down raised');
    await expect.poll(() => pings.asked.at(-1)).toBe('/fail');
    await first.stop();
    await using second = site.start(['daemon']);
    await second.event((event) => event.type === 'connection' && event.state === 'lost');
    await proxy.accept();
    await second.event(({ type }) => type === 'sent');
    parser(site.root).closeDirectory('DC1');
    await second.event(({ type }) => type === 'finished');
    await expect.poll(alerts, { timeout: 20_000 }).toContain('down over');
    await expect.poll(() => pings.asked.at(-1)).toBe('');
    await expect.poll(() => objects('all').length).toBe(1);
    expect(alerts().filter((one) => one.startsWith('down'))).toEqual(['down raised', 'down over']);
    expect(await second.stop()).toBe(143);
  });

  it('ships on while commands hang and pings are not answered, and ends in time', async () => {
    pings.status = null;
    const site = siteWith({ hooks: { finished: 'exec sleep 60', ping: pings.url }, alerts: quick });
    shipClosed(site, 'DC1', 'DC2');
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'finished');
    parser(site.root).writeFile('DC3/file');
    await daemon.event((event) => event.type === 'sent' && event.path === 'DC3/file');
    expect(await daemon.stop()).toBe(143); // Else it is killed after 5 s.
    expect(warningsIn(daemon.events).filter((message) => message.includes('hooks.finished'))).toEqual([]);
  });

  it('tells of a folder that it may not read, though nothing of it is tried again and again', async () => {
    mkdirSync(`${folder}/home`);
    const command = `cat >>'${folder}/home/alerts'`;
    const site = siteWith({ hooks: { alert: command }, alerts: quick });
    parser(site.root).writeFile('DC1/sub/file');
    giveToUser(site, `${folder}/home`);
    chmodSync(`${site.root}/DC1/sub`, 0);
    await using daemon = site.start(['daemon'], {
      through: ['setpriv', `--reuid=${USER}`, '--regid=65534', '--clear-groups'],
    });
    await expect
      .poll(() => objects('home/alerts'), { timeout: 20_000 })
      .toMatchObject([
        {
          kind: 'held',
          state: 'raised',
          subjects: ['DC1'],
          message: expect.stringContaining('permission denied') as string,
        },
      ]);
    chmodSync(`${site.root}/DC1/sub`, 0o755);
    await daemon.event(({ type }) => type === 'sent');
    await expect
      .poll(() => objects('home/alerts'), { timeout: 20_000 })
      .toMatchObject([{}, { kind: 'held', state: 'over' }]);
  });

  it('tells that the root is away, and that it is back', async () => {
    const site = siteWith({ hooks: { alert: into('alerts') }, alerts: quick }, { source: { rescan: '500ms' } });
    parser(site.root).writeFile('DC1/file');
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'sent');
    renameSync(site.root, `${site.root}.away`);
    await expect.poll(alerts, { timeout: 20_000 }).toEqual(['root raised']);
    renameSync(`${site.root}.away`, site.root);
    await expect.poll(alerts, { timeout: 20_000 }).toEqual(['root raised', 'root over']);
  });

  it('tells that a file is unsent for too long, and that it is not', async () => {
    const site = siteWith({ hooks: { alert: into('alerts') }, alerts: { unsent: '1s', down: null } });
    await proxy.refuse();
    parser(site.root).writeFile('DC1/file');
    await using daemon = site.start(['daemon']);
    await expect.poll(alerts, { timeout: 20_000 }).toEqual(['unsent raised']);
    expect(objects('alerts')[0]?.message).toMatch(/^"DC1\/file" has been unsent for /);
    await proxy.accept();
    await daemon.event(({ type }) => type === 'sent');
    await expect.poll(alerts, { timeout: 20_000 }).toEqual(['unsent raised', 'unsent over']);
  });
});
