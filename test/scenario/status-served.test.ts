import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import type { LiveSiteStatus } from '../../src/status/live/live-status.ts';
import type { SiteStatus } from '../../src/status/site-status.ts';
import { ask, listenToEvents } from '../support/http-client.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { through } from '../support/through.ts';

let folder: string;
let server: TestServer;
let port: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-served-'));
  server = await startOwnReceiver(folder);
  port = await freePort();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const siteOf = ({ more, ...options }: SiteOptions = {}): TestSite =>
  makeSite(folder, server, { ...options, more: { status: { listen: `127.0.0.1:${port}` }, ...more } });
/** Answers are put together once a second. */
const SOON = { timeout: 20_000 };
const isServing = ({ type }: IsocketEvent): boolean => type === 'listening';
const isFinishedEvent = (event: IsocketEvent): boolean => event.type === 'finished';
const liveStatus = async (): Promise<LiveSiteStatus> =>
  JSON.parse((await ask(port, '/status.json')).text) as LiveSiteStatus;

it('answers what isocket status --json prints, and more of the daemon', async () => {
  const site = siteOf();
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 3);
  closeDirectory('DC1');
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  await daemon.event(isFinishedEvent);
  writeFiles('DC2', 2);
  await expect.poll(async () => (await liveStatus()).totals.sent, SOON).toBe(5);
  // What is counted from events, and by the disk.
  const { stdout } = await site.run(['status', '--json']);
  const printed = JSON.parse(stdout) as SiteStatus;
  const live = await liveStatus();
  expect({ ...live, daemon: undefined }).toEqual({ ...printed, daemon: undefined });
  expect(live.directories.map(({ name, phase, files, sent }) => [name, phase, files, sent])).toEqual([
    ['DC1', 'finished', 3, 3],
    ['DC2', 'open', 2, 2],
  ]);
  expect(Object.keys(live.daemon)).toEqual(expect.arrayContaining(Object.keys(printed.daemon)));
  expect(live.daemon).toMatchObject({
    running: true,
    pid: daemon.pid,
    isAlive: true,
    inFlight: 0,
    isCounting: false,
    backlog: { files: 0, bytes: 0 },
    secondsLeft: 0,
    down: [],
    failures: { files: [], destinations: [], more: 0 },
    activity: { kind: 'daemon', throughput: { files: 5, bytes: 5000 } },
  });
  expect(live.daemon.activity?.connections).toEqual([
    {
      destination: expect.stringContaining('127.0.0.1') as string,
      state: 'up',
      message: null,
      hint: null,
      since: null,
      nextSeconds: null,
    },
  ]);
  const [fine, coarse] = live.daemon.history;
  expect([fine?.stepSeconds, fine?.files.length, coarse?.stepSeconds, coarse?.files.length]).toEqual([5, 180, 60, 360]);
  expect((await ask(port, '/healthz')).text).toBe('ok\n');
  expect(await daemon.stop()).toBe(143);
});

it('shows that a connection ended while nothing was sent, and that another one is there', async () => {
  await using proxy = await startProxy(server.port);
  const site = siteOf({ destination: through(folder, server, proxy.port) });
  const { writeFile } = parser(site.root);
  mkdirSync(`${site.root}/DC1`);
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  const state = async (): Promise<string | undefined> => (await liveStatus()).daemon.activity?.connections[0]?.state;
  const sent = (path: string) => (event: IsocketEvent) => event.type === 'sent' && event.path === path;
  writeFile('DC1/first');
  await daemon.event(sent('DC1/first'));
  await expect.poll(state, SOON).toBe('up');
  proxy.cut();
  await expect.poll(state, SOON).toBe('lost');
  // Servers end what is idle: that is no problem of the site's.
  expect((await liveStatus()).problems).toEqual([]);
  expect((await site.run(['status'])).exitCode).toBe(0);
  writeFile('DC1/second');
  await daemon.event(sent('DC1/second'));
  await expect.poll(state, SOON).toBe('up');
  expect(daemon.events.filter(({ type }) => type === 'connection')).toEqual([]);
});

it('is read-only, for this host’s names alone, and lets a browser do no more than it must', async () => {
  const site = siteOf();
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  const code = async (path: string, headers: Record<string, string>, method = 'GET'): Promise<number> =>
    (await ask(port, path, { method, headers })).code;
  const { headers, text } = await ask(port, '/');
  expect(text).toContain('isocket');
  expect(headers).toMatchObject({
    'content-security-policy': expect.stringContaining("default-src 'none'") as string,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    expect(await code('/status.json', {}, method), method).toBe(405);
  const head = await ask(port, '/status.json', { method: 'HEAD' });
  expect([head.code, head.text, Number(head.headers['content-length']) > 100]).toEqual([200, '', true]);
  for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:9180', '[::1]:9180', '127.0.0.2'])
    expect(await code('/healthz', { host }), host).toBe(200);
  for (const host of ['example.org', 'localhost.example.org', '10.0.0.1', '127.0.0.1.nip.io'])
    expect(await code('/healthz', { host }), host).toBe(421);
  expect(await code('/events', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })).toBe(403);
  expect(await code('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).toBe(200);
  for (const path of ['/nothing', '/../../etc/passwd', '//', '/status.json/', '/%00'])
    expect(await code(path, {}), path).toBe(404);
  expect(await code('/status.json?x=1', {})).toBe(200);
  await daemon.stop();
});

it('tells what changes, shows within 5 s that a destination is killed, and ends at once with the daemon', async () => {
  await using proxy = await startProxy(server.port);
  const site = siteOf({
    destination: through(folder, server, proxy.port),
    more: { alerts: { down: '0s' }, send: { durable: false, retry: { first: '10ms', most: '60s' } } },
  });
  parser(site.root).writeFiles('DC1', 1);
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  using client = await listenToEvents<LiveSiteStatus>(port);
  expect(client.headers['content-type']).toBe('text/event-stream');
  await client.next(({ totals }) => totals.sent === 1);
  await proxy.refuse();
  const begunMs = performance.now();
  parser(site.root).writeFiles('DC2', 3);
  const down = await client.next(({ daemon: { activity } }) => activity?.connections[0]?.state === 'down');
  expect(performance.now() - begunMs).toBeLessThan(5000);
  expect(down.problems).toEqual([expect.stringContaining('is down: ')]);
  expect(down.daemon.down).toEqual([
    { destination: expect.stringContaining('127.0.0.1') as string, since: expect.stringMatching(/Z$/) as string },
  ]);
  const failing = await ask(port, '/healthz');
  expect([failing.code, failing.text]).toEqual([503, expect.stringMatching(/^.* has been down for .*\n$/)]);
  const { code, text } = await ask(port, '/healthz', { headers: { accept: 'application/json' } });
  expect([code, JSON.parse(text)]).toEqual([
    503,
    { status: 'failing', site: 'site', reasons: [expect.stringContaining('has been down')] },
  ]);
  const ending = daemon.stop();
  await client.ended;
  await ending;
});

it('a port that is taken is a warning with the cure, and files are sent', async () => {
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const site = siteOf();
  parser(site.root).writeFiles('DC1', 1);
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'sent');
  const warning = await daemon.event((event) => event.type === 'note' && event.level === 'warning');
  expect(warning).toMatchObject({
    message: expect.stringMatching(
      /^Cannot listen on status\.listen 127\.0\.0\.1:\d+: address already in use; name another port.*tried again every minute\. Files are sent all the same$/,
    ) as string,
  });
  await daemon.stop();
  other.close();
});

it('to listen for others is warned of, once, and they reach it by any name', async () => {
  const site = siteOf({ more: { status: { listen: `0.0.0.0:${port}` } } });
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  const warnings = daemon.events.flatMap((event) =>
    event.type === 'note' && event.level === 'warning' ? [event.message] : [],
  );
  expect(warnings).toEqual([
    expect.stringContaining(`status.listen 0.0.0.0:${port} is open to other hosts, without a login`),
  ]);
  expect((await ask(port, '/healthz', { headers: { host: 'backup.example.org' } })).code).toBe(200);
  await daemon.stop();
});

it('names what is held with its reason and the next attempt, and is not well', async () => {
  const site = siteOf({ more: { send: { durable: false, retry: { first: '10ms', most: '1h', hold: 1 } } } });
  mkdirSync(`${server.folder}/DC1/file-1/in the way`, { recursive: true });
  parser(site.root).writeFiles('DC1', 2);
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'failed');
  await expect
    .poll(async () => (await liveStatus()).totals, SOON)
    .toMatchObject({ files: 2, sent: 1, unsent: 1, held: 1 });
  const { daemon: live, problems } = await liveStatus();
  expect(live.activity?.held).toEqual([
    {
      path: 'DC1/file-1',
      reason: expect.stringContaining('DC1/file-1') as string,
      hint: expect.anything() as string,
      attempts: 1,
      nextSeconds: expect.any(Number) as number,
    },
  ]);
  expect(live.failures.files.map(({ path }) => path)).toEqual(['DC1/file-1']);
  expect(live.backlog).toEqual({ files: 1, bytes: 1000 });
  expect(problems).toEqual([expect.stringMatching(/^1 file held in DC1: Cannot send .*; /)]);
  expect((await ask(port, '/healthz')).text).toMatch(/^DC1: 1 file could not be sent, first "DC1\/file-1": .*\n$/);
  await daemon.stop();
});

it('counts directories that wait for their turn, and a root that is away is a reason', async () => {
  await using proxy = await startProxy(server.port);
  const site = siteOf({ destination: through(folder, server, proxy.port) });
  await proxy.refuse();
  for (const name of ['DC1', 'DC2', 'DC3']) {
    parser(site.root).writeFiles(name, 4);
    parser(site.root).closeDirectory(name);
  }
  await using daemon = site.start(['daemon']);
  await daemon.event(isServing);
  await expect
    .poll(async () => (await liveStatus()).totals)
    .toMatchObject({ files: 12, sent: 0, unsent: 12, bytes: 12_000 });
  expect((await liveStatus()).daemon).toMatchObject({ isCounting: false, backlog: { files: 12, bytes: 12_000 } });
  await proxy.accept();
  await expect.poll(async () => (await liveStatus()).totals.sent, SOON).toBe(12);
  rmSync(site.root, { recursive: true });
  await expect.poll(async () => (await ask(port, '/healthz')).text, SOON).toContain('it is not there');
  await daemon.stop();
});

it('a configuration says where: a port alone is one of this host', async () => {
  const site = siteOf({ more: { status: { listen: port } } });
  await using daemon = site.start(['daemon']);
  expect(await daemon.event(isServing)).toMatchObject({ message: `status at http://127.0.0.1:${port}/` });
  await daemon.stop();
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as object;
  for (const listen of [
    '',
    'localhost',
    ':9180',
    '127.0.0.1:0',
    '127.0.0.1:70000',
    'http://localhost:9180',
    '::1:9180',
  ]) {
    writeFileSync(site.config, JSON.stringify({ ...config, status: { listen } }));
    const { exitCode, stderr } = await site.run(['status']);
    expect([exitCode, stderr], listen).toEqual([2, expect.stringContaining('status.listen is "')]);
  }
});
