import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SiteStatus } from '../../src/status/site-status.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { differences } from '../support/trees.ts';

// Two destinations, of which one does not keep up: each has a queue of its own.

const PATIENCE = { timeout: 40_000 };

let folder: string;
let server: TestServer;
let site: TestSite;
/** In front of the first destination, and of the second one. */
let [quick, slow]: Proxy[] = [];
let [atQuick, atSlow] = ['', ''];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-several-'));
  server = await startOwnReceiver(folder);
  [quick, slow] = [await startProxy(server.port), await startProxy(server.port)];
  const known = readFileSync(server.knownHosts, 'utf8');
  for (const { port } of [quick, slow])
    appendFileSync(server.knownHosts, known.replace(`:${server.port} `, `:${port} `));
  [atQuick, atSlow] = [`${server.folder}/quick`, `${server.folder}/slow`];
  for (const path of [atQuick, atSlow]) mkdirSync(path);
  site = makeSite(folder, server);
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: object };
  const below = server.path === '/' ? '' : server.path;
  const destination = [
    { ...config.destination, port: quick.port, path: `${below}/quick` },
    { ...config.destination, port: slow.port, path: `${below}/slow` },
  ];
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
});
afterEach(async () => {
  for (const proxy of [quick, slow]) await proxy?.[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const proxies = (): [Proxy, Proxy] => {
  if (quick === undefined || slow === undefined) throw new Error('no proxies');
  return [quick, slow];
};
/** Files under their final names: to compare whole trees again and again would take the time of what is waited for. */
const arrived = (at: string): number =>
  readdirSync(at, { recursive: true, encoding: 'utf8' }).filter((name) => /(?:^|\/)file-\d+$/.test(name)).length;
/** A file that was sent once more is another one. */
const written = (at: string): string[] =>
  readdirSync(join(at, 'DC1')).map((name) => `${name} ${statSync(join(at, 'DC1', name)).ino}`);
/** Waits for so many files at a destination, and compares them all. */
const allAt = async (at: string, count: number): Promise<void> => {
  await expect.poll(() => arrived(at), PATIENCE).toBe(count);
  expect(differences(site.root, at)).toEqual([]);
};
/** At each destination, as `status` says. */
const missing = async (): Promise<number[]> => {
  const { stdout } = await site.run(['status', '--json']);
  const { directories } = JSON.parse(stdout) as SiteStatus;
  return directories.flatMap(({ missing }) => (missing ?? []).map(({ files }) => files));
};
const ended = { exitCode: 0, summary: expect.objectContaining({ failed: 0 }) as unknown };

describe('scan', () => {
  it('has all at one destination while the other one does not answer, and gives that one what it lacks', async () => {
    const [one, other] = proxies();
    const names = Array.from({ length: 60 }, (_, index) => `DC${index + 1}`);
    for (const name of names) {
      parser(site.root).writeFiles(name, 3);
      parser(site.root).closeDirectory(name);
    }
    other.stall();
    const scan = site.scan();
    await allAt(atQuick, 180);
    expect(names.some((name) => isFinished(site.root, name))).toBe(false);
    const before = one.total;
    other.resume();
    expect(await scan).toMatchObject(ended);
    expect(differences(site.root, atSlow)).toEqual([]);
    expect(names.every((name) => isFinished(site.root, name))).toBe(true);
    // It was asked what it has, and got nothing once more: 180 files of 1,000 bytes.
    expect(one.total - before).toBeLessThan(120_000);
  });

  it('has all at one destination while the other one has stopped in the middle', async () => {
    const [, other] = proxies();
    parser(site.root).writeFiles('DC1', 1500);
    parser(site.root).closeDirectory('DC1');
    const passed = other.passed(200_000);
    const scan = site.scan();
    await passed;
    other.stall();
    await allAt(atQuick, 1500);
    expect(arrived(atSlow)).toBeLessThan(1500);
    other.resume();
    expect(await scan).toMatchObject(ended);
    expect(differences(site.root, atSlow)).toEqual([]);
    expect(isFinished(site.root, 'DC1')).toBe(true);
  });

  it('has all at one destination while the other one is slow: a listing that is quicker than both leaves the quick one nothing', async () => {
    const [one, other] = proxies();
    parser(site.root).writeFiles('DC1', 3000, 10);
    // What one took before the other one answered goes there last: the slow one waits for the quick one to answer.
    const passed = [one.passed(30_000), other.passed(30_000).then(() => other.stall())];
    const scan = site.scan();
    await Promise.all(passed);
    other.resume();
    other.trickle(2000); // Even in 40 s a fraction of what all takes, however slow the quick one is.
    await allAt(atQuick, 3000);
    expect(arrived(atSlow)).toBeLessThan(2000);
    other.trickle(Infinity);
    expect(await scan).toMatchObject(ended);
    expect(differences(site.root, atSlow)).toEqual([]);
  });
});

it('what was sent live to one of them does not go there again after a restart', async () => {
  const [one, other] = proxies();
  other.stall();
  {
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    parser(site.root).writeFiles('DC1', 200);
    // Some go twice: a listing finds them before their close is heard.
    let total = 0;
    const atRest = async (): Promise<readonly number[]> => {
      const before = total;
      total = one.total;
      return total === before ? missing() : [];
    };
    await expect.poll(atRest, { ...PATIENCE, interval: 1000 }).toEqual([0, 200]);
    expect(differences(site.root, atQuick)).toEqual([]);
    expect(await daemon.stop()).toBe(143);
  }
  const [lacking = Infinity, all] = await missing();
  expect(lacking).toBeLessThan(100); // A close that was heard late.
  expect(all).toBe(200);
  other.resume();
  const before = new Set(written(atQuick));
  expect(await site.scan()).toMatchObject(ended);
  expect(differences(site.root, atSlow)).toEqual([]);
  expect(written(atQuick).filter((file) => !before.has(file))).toHaveLength(lacking);
});

it('the daemon has each file at one destination while the other one does not answer', async () => {
  const [, other] = proxies();
  other.stall();
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'started');
  for (let batch = 1; batch <= 3; batch += 1) {
    parser(site.root).writeFiles(`DC${batch}`, 100);
    parser(site.root).closeDirectory(`DC${batch}`);
    await allAt(atQuick, 100 * batch);
  }
  other.resume();
  for (const name of ['DC1', 'DC2', 'DC3'])
    await daemon.event((event) => event.type === 'finished' && event.directory === name);
  expect(differences(site.root, atSlow)).toEqual([]);
  expect(await daemon.stop()).toBe(143);
});

it('send has each named file at both in the end', async () => {
  const [, other] = proxies();
  parser(site.root).writeFiles('DC1', 200);
  other.stall();
  const names = Array.from({ length: 200 }, (_, index) => `${site.root}/DC1/file-${index + 1}`);
  const sending = site.run(['send', '--json', ...names]);
  await allAt(atQuick, 200);
  other.resume();
  expect(await sending).toMatchObject(ended);
  expect(differences(site.root, atSlow)).toEqual([]);
});
