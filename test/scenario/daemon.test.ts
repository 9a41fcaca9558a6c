import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askActivity } from '../../src/instance/ask.ts';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import { startNotifyListener } from '../support/notify-listener.ts';
import { freePort } from '../support/ports.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

let folder: string;
let server: TestServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-daemon-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

// A rescan that comes too late for any test: what arrives was told by events.
const siteOf = (options: SiteOptions = {}): TestSite =>
  makeSite(folder, server, {
    ...options,
    source: { settle: '2s', superseded: '300ms', rescan: '1h', ...options.source },
  });
const finished = (directory: string) => (event: IsocketEvent) =>
  event.type === 'finished' && event.directory === directory;
const sent = (path: string) => (event: IsocketEvent) => event.type === 'sent' && event.path === path;
const expectShipped = (site: TestSite, directory: string): void => {
  expect(differences(`${site.root}/${directory}`, `${server.folder}/${directory}`)).toEqual([]);
  expect(unmarked(`${site.root}/${directory}`)).toEqual([]);
};

describe('the daemon', () => {
  it('sends files as they are closed, and finishes a directory when finished.parse appears', async () => {
    const site = siteOf();
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    makeDirectory('DC1');
    for (let index = 1; index <= 20; index += 1) {
      writeFile(`DC1/file-${index}`);
      await daemon.event(sent(`DC1/file-${index}`));
    }
    expect(isFinished(site.root, 'DC1')).toBe(false);
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
    expect(await daemon.stop()).toBe(143);
    expect(daemon.stderr()).toBe('');
  });

  it('hands over: a directory that is superseded while it is written stays watched until it is quiet', async () => {
    const site = siteOf();
    const { makeDirectory, writeFile } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/first');
    await daemon.event(sent('DC1/first'));
    const last = openSync(`${site.root}/DC1/last`, 'w');
    writeSync(last, 'half ');
    makeDirectory('DC2');
    writeFile('DC2/next');
    await daemon.event(sent('DC2/next'));
    // Longer than the quiet time by whatever another directory takes; the open file alone keeps it from being finished.
    writeFile('DC2/later');
    await daemon.event(sent('DC2/later'));
    expect(isFinished(site.root, 'DC1')).toBe(false);
    writeSync(last, 'whole');
    closeSync(last);
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
  });

  it('sends again what is written again after it was sent, also under its old times', async () => {
    const site = siteOf();
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/file');
    await daemon.event(sent('DC1/file'));
    const { atime, mtime } = statSync(`${site.root}/DC1/file`);
    appendFileSync(`${site.root}/DC1/file`, 'more');
    utimesSync(`${site.root}/DC1/file`, atime, mtime);
    await daemon.event(({ type }) => type === 'sent' && countOf(daemon.events, 'DC1/file') === 2);
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
  });

  it('is not misled by files that are born marked and renamed into place with old times', async () => {
    const site = siteOf();
    const { makeDirectory, closeDirectory } = parser(site.root);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    makeDirectory('DC1');
    for (const name of ['a', 'b']) {
      writeFileSync(`${folder}/staged`, name.repeat(1000));
      chmodSync(`${folder}/staged`, 0o664);
      utimesSync(`${folder}/staged`, 1_000_000, 1_000_000);
      renameSync(`${folder}/staged`, `${site.root}/DC1/${name}`);
      await daemon.event(sent(`DC1/${name}`));
    }
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
  });

  it('finds files of a sub-folder made a moment ago, and everything that came before it started', async () => {
    const site = siteOf({ source: { settle: '200ms' } });
    const { writeFile, writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 5);
    await using daemon = site.start(['daemon']);
    await daemon.event(sent('DC1/file-5'));
    for (let index = 1; index <= 10; index += 1) writeFile(`DC1/sub-${index}/deep/file`);
    for (let index = 1; index <= 10; index += 1) await daemon.event(sent(`DC1/sub-${index}/deep/file`));
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
  });

  it('begins anew with a directory that is removed and made again under its name', async () => {
    const site = siteOf();
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/old');
    await daemon.event(sent('DC1/old'));
    rmSync(`${site.root}/DC1`, { recursive: true });
    makeDirectory('DC1');
    writeFile('DC1/new');
    await daemon.event(sent('DC1/new'));
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual(['only at the destination: old']);
  });

  it('works by hints and quiet time where there is no inotifywait', async () => {
    const site = siteOf({ source: { watcher: 'chokidar', settle: '200ms' } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    makeDirectory('DC1');
    writeFile('DC1/file');
    writeFile('DC1/sub/file');
    await daemon.event(sent('DC1/file'));
    await daemon.event(sent('DC1/sub/file'));
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
  });

  it('names a file that cannot be sent, holds it, and sends all others', async () => {
    const site = siteOf({ source: { settle: '0s', rescan: '100ms' } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    makeDirectory('DC1');
    mkdirSync(`${server.folder}/DC1/bad`, { recursive: true });
    await using daemon = site.start(['daemon']);
    writeFile('DC1/bad');
    await daemon.event((event) => event.type === 'failed' && event.held);
    writeFile('DC1/good');
    await daemon.event(sent('DC1/good'));
    closeDirectory('DC1');
    expect((await askActivity(site))?.held).toMatchObject([{ path: 'DC1/bad', attempts: 5 }]);
    // Once a person has mended it, it goes by itself.
    rmSync(`${server.folder}/DC1/bad`, { recursive: true });
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
  });

  it('goes on by itself when the receiver is back, with one notice for the outage', async () => {
    await using proxy = await startProxy(server.port);
    writeFileSync(
      server.knownHosts,
      readFileSync(server.knownHosts, 'utf8').replace(/^\[[^ ]+/, `[127.0.0.1]:${proxy.port}`),
    );
    const site = siteOf({ destination: { port: proxy.port } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/before');
    await daemon.event(sent('DC1/before'));
    await proxy.refuse();
    writeFile('DC1/meanwhile');
    await daemon.event((event) => event.type === 'connection' && event.state === 'lost');
    await proxy.accept();
    await daemon.event((event) => event.type === 'connection' && event.state === 'restored');
    await daemon.event(sent('DC1/meanwhile'));
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expect(daemon.events.filter(({ type }) => type === 'connection')).toHaveLength(2);
    expectShipped(site, 'DC1');
  });

  it('keeps one destination going while the other is sick, and marks when both have the file', async () => {
    const sick = await freePort();
    const good = { transport: 'sftp', host: '127.0.0.1', path: '/', user: 'root', identityFile: server.identityFile };
    const site = siteOf({
      more: {
        destination: [
          { ...good, port: server.port, knownHosts: server.knownHosts },
          { ...good, port: sick, knownHosts: server.knownHosts },
        ],
      },
    });
    const { writeFiles } = parser(site.root);
    writeFiles('DC1', 300);
    await using daemon = site.start(['daemon']);
    // More than there are places: those that wait for the sick one hold none.
    await expect
      .poll(() => existsSync(`${server.folder}/DC1/file-300`) && readdirSync(`${server.folder}/DC1`).length, {
        timeout: 20_000,
      })
      .toBe(300);
    expect(unmarked(`${site.root}/DC1`)).toHaveLength(300);
    expect(await daemon.stop()).toBe(143);
  });

  it('says that the root is gone, finishes nothing, and goes on when it is back', async () => {
    const site = siteOf({ source: { rescan: '100ms' } });
    const { makeDirectory, writeFile } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/file');
    await daemon.event(sent('DC1/file'));
    renameSync(site.root, `${site.root}-away`);
    mkdirSync(site.root);
    await daemon.event((event) => event.type === 'note' && event.message.includes('another folder than at the start'));
    rmSync(site.root, { recursive: true });
    renameSync(`${site.root}-away`, site.root);
    await daemon.event((event) => event.type === 'note' && event.message.includes('is back'));
    writeFile('DC1/after');
    await daemon.event(sent('DC1/after'));
    expect(isFinished(site.root, 'DC1')).toBe(false);
  });

  it('remembers what it delivered itself when the root is back: verify: sent checks it', async () => {
    const site = siteOf({ source: { rescan: '100ms' } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/file');
    await daemon.event(sent('DC1/file'));
    renameSync(site.root, `${site.root}-away`);
    await daemon.event((event) => event.type === 'note' && event.message.includes('it is not there'));
    renameSync(`${site.root}-away`, site.root);
    await daemon.event((event) => event.type === 'note' && event.message.includes('is back'));
    rmSync(`${server.folder}/DC1/file`); // The destination lost what it had confirmed.
    closeDirectory('DC1');
    await daemon.event(finished('DC1'));
    expectShipped(site, 'DC1');
  });

  it('looks at everything again on SIGHUP', async () => {
    const site = siteOf({ source: { settle: '0s' } });
    const { makeDirectory, writeFile } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon']);
    writeFile('DC1/file');
    await daemon.event(sent('DC1/file'));
    truncateSync(`${site.root}/DC1/file`, 3); // No source of events tells of it as a close.
    process.kill(daemon.pid, 'SIGHUP');
    await daemon.event(({ type }) => type === 'sent' && countOf(daemon.events, 'DC1/file') === 2);
  });

  it('tells its service manager each turn of its life, and feeds the watchdog', async () => {
    const site = siteOf();
    await using listener = await startNotifyListener(folder);
    const env = { NOTIFY_SOCKET: listener.path, WATCHDOG_USEC: '400000' };
    await using daemon = site.start(['daemon'], { env });
    const hears = async (word: string): Promise<void> => {
      for (let words = await listener.next(); !words.includes(word); words = await listener.next()) continue;
    };
    await hears('READY=1');
    await hears('WATCHDOG=1');
    process.kill(daemon.pid, 'SIGHUP');
    await hears('RELOADING=1');
    await hears('READY=1');
    await hears('WATCHDOG=1');
    const ended = daemon.stop();
    await hears('STOPPING=1');
    expect(await ended).toBe(143);
  });

  it('refuses to work beside a scan, and a scan beside it: exit 4; not a dry run', async () => {
    const site = siteOf();
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    expect((await site.run(['scan'])).exitCode).toBe(4);
    for (const dry of [['scan'], ['prune', '--older-than', '0s']])
      expect((await site.run([...dry, '--dry-run'])).exitCode).toBe(0);
    expect(await daemon.stop('SIGINT')).toBe(130);
  });
});

const countOf = (events: readonly IsocketEvent[], path: string): number => events.filter(sent(path)).length;

describe('isocket watch', () => {
  it('names each complete file of one directory until finished.parse, and sends nothing', async () => {
    const site = siteOf({ source: { settle: '200ms' } });
    const { writeFile, closeDirectory } = parser(site.root);
    writeFile('DC1/before');
    await using watch = site.start(['watch', 'DC1']);
    const named = (path: string) => (event: IsocketEvent) =>
      event.type === 'complete' && event.path === `${site.root}/${path}`;
    await watch.event(named('DC1/before'));
    writeFile('DC1/live');
    await watch.event(named('DC1/live'));
    closeDirectory('DC1');
    expect(await watch.ended).toBe(0);
    expect(watch.events.filter(({ type }) => type === 'complete')).toHaveLength(2);
    expect(unmarked(`${site.root}/DC1`)).toHaveLength(2);
  });
});
