import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  rounds,
  reportFigures,
  watchFinalNames,
} from '../support/invariant.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';

const FILES = rounds(1500, 10_000);
const TIMES = rounds(3, 30);
const CHUNK = 200_000;

let folder: string;
let server: TestServer;
let proxy: Proxy;
let site: TestSite;
let watch: ReturnType<typeof watchFinalNames>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-line-'));
  server = await startSshd(folder);
  proxy = await startProxy(server.port);
  site = makeSite(folder, server, {
    destination: through(folder, server, proxy.port),
    more: { send: { durable: false, retry: { first: '10ms', most: '100ms', hold: 10_000 } } },
  });
  for (let count = 1; count <= FILES; count += 1) produce(site.root, `DC1/f${count}`, 1 + ((count * 7919) % 9000));
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  watch = watchFinalNames(server.folder);
});
afterEach(async () => {
  await watch.end();
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Only a line that was up is tried again in the same run. */
const firstMark = async (ended: Promise<unknown>): Promise<void> => {
  const over = new AbortController();
  void ended.then(() => {
    over.abort();
  });
  const isMarked = (name: string): boolean =>
    ((lstatSync(`${site.root}/DC1/${name}`, { throwIfNoEntry: false })?.mode ?? 0) & 0o020) !== 0;
  while (!over.signal.aborted && !readdirSync(`${site.root}/DC1`).some(isMarked)) await delay(2);
  expect(over.signal.aborted).toBe(false);
};

it.each([
  ['reset', () => proxy.reset()],
  ['closed', () => proxy.cut()],
])('the line is %s again and again', { timeout: 600_000 }, async (how, fail) => {
  const scan = site.scan();
  const ended = scan.then(() => true);
  let faults = 0;
  await firstMark(ended);
  // The first one at once: what is still to be sent may be on its way already.
  do {
    fail();
    faults += 1;
    expectNothingWrong(site.root, server.folder);
  } while (faults < TIMES && !(await Promise.race([ended, proxy.passed(CHUNK).then(() => false)])));
  const { exitCode, stdout } = await scan;
  expect(exitCode, stdout).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  reportFigures(`the line ${how}`, { faults, files: FILES, 'looks at final names': await watch.end() });
});

it('a black hole is noticed within 45 s, and left', { timeout: 600_000 }, async () => {
  await using scan = site.start(['scan']);
  await firstMark(scan.ended);
  // What was caught in the hole stays there: only new connections pass.
  proxy.swallow();
  const swallowed = performance.now();
  expectNothingWrong(site.root, server.folder);
  await scan.event((event) => event.type === 'connection' && event.state === 'lost');
  const seconds = Math.round((performance.now() - swallowed) / 1000);
  expect(seconds).toBeLessThan(45);
  expect(await scan.ended).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  reportFigures('a black hole', {
    faults: 1,
    files: FILES,
    'seconds to notice': seconds,
    'looks at final names': await watch.end(),
  });
});

it('a stall of a few seconds is sat out, and a trickle of 1 kB/s goes on', { timeout: 600_000 }, async () => {
  const scan = site.scan();
  await firstMark(scan);
  proxy.stall();
  await delay(3000);
  proxy.resume();
  proxy.trickle(1000);
  await delay(3000);
  expectNothingWrong(site.root, server.folder);
  proxy.resume();
  const { exitCode, stdout } = await scan;
  expect(exitCode, stdout).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  reportFigures('a stall of 3 s, then 3 s at 1 kB/s', {
    faults: 2,
    files: FILES,
    'looks at final names': await watch.end(),
  });
});

it('refused for a while: exit 3, and the next run goes on', { timeout: 600_000 }, async () => {
  await proxy.refuse();
  const refused = await site.run(['scan']);
  expect(refused.exitCode).toBe(3);
  expect(expectNothingWrong(site.root, server.folder)).toMatchObject({ marked: 0, finished: 0 });
  await proxy.accept();
  // Refused in the middle of a run: it is tried again until the server is back.
  const scan = site.scan();
  await firstMark(scan);
  await proxy.refuse();
  expectNothingWrong(site.root, server.folder);
  await delay(rounds(1000, 60_000));
  await proxy.accept();
  const { exitCode, stdout } = await scan;
  expect(exitCode, stdout).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  reportFigures('connections refused', { faults: 2, files: FILES, 'looks at final names': await watch.end() });
});
