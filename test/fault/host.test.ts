import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  expectAllThere,
  expectNothingWrong,
  filesBelow,
  produce,
  rounds,
  reportFigures,
} from '../support/invariant.ts';
import { startIsocket } from '../support/isocket-process.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const FILES = rounds(300, 3000);
const TIMES = rounds(3, 30);

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-host-'));
  server = await startSshd(folder);
  site = makeSite(folder, server, { source: { settle: '1s', superseded: '1s' } });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
const fill = (directory: string): void => {
  for (let count = 1; count <= FILES; count += 1)
    produce(site.root, `${directory}/f${count}`, 1 + ((count * 7919) % 3000));
  produce(site.root, `${directory}/sub/file`, 5000);
};
const close = (directory: string): void => writeFileSync(`${site.root}/${directory}/finished.parse`, '');

it('the clock is set back an hour, and forward a day', { timeout: 300_000 }, async () => {
  const env = { NO_FAKE_STAT: '1' }; // Files keep the times of the kernel's clock: it is the process that is wrong.
  let directory = 0;
  for (const shift of ['-1h', '+1d', '-30d', '+0']) {
    directory += 1;
    fill(`DC${directory}`);
    close(`DC${directory}`);
    expect(await startIsocket(site, { through: ['faketime', '-f', shift], env }).ended, shift).toBe(0);
    expectNothingWrong(site.root, server.folder);
  }
  expectAllThere(site.root, server.folder, directory);
  reportFigures('the clock set back and forward', { faults: 3, files: directory * (FILES + 1) });
});

it('file descriptors run out (ulimit -n 64)', { timeout: 300_000 }, async () => {
  fill('DC1');
  for (let depth = 1; depth <= 30; depth += 1) produce(site.root, `DC1/${Array(depth).fill('d').join('/')}/file`, 10);
  close('DC1');
  const code = await startIsocket(site, { through: ['prlimit', '--nofile=64'] }).ended;
  expectNothingWrong(site.root, server.folder);
  expect(code).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  reportFigures('64 file descriptors', { rounds: 1, files: FILES + 31 });
});

it.each<[string, () => void]>([
  ['renamed away', () => renameSync(site.root, `${site.root}-away`)],
  [
    'emptied',
    () => {
      mkdirSync(`${site.root}-away/DC1`, { recursive: true });
      for (const name of readdirSync(`${site.root}/DC1`)) {
        renameSync(`${site.root}/DC1/${name}`, `${site.root}-away/DC1/${name}`);
      }
      rmSync(`${site.root}/DC1`, { recursive: true });
    },
  ],
  [
    'replaced by a link to an empty folder',
    () => {
      renameSync(site.root, `${site.root}-away`);
      mkdirSync(`${folder}/empty`, { recursive: true });
      symlinkSync(`${folder}/empty`, site.root);
    },
  ],
  [
    'replaced by another of the same names',
    () => {
      renameSync(site.root, `${site.root}-away`);
      mkdirSync(`${site.root}/DC1`, { recursive: true });
      writeFileSync(`${site.root}/DC1/finished.parse`, '');
    },
  ],
])('the root is %s in mid-run: nothing is finished', { timeout: 300_000 }, async (how, harm) => {
  let faults = 0;
  for (let time = 1; time <= TIMES; time += 1) {
    fill('DC1');
    close('DC1');
    const isocket = startIsocket(site);
    const first = `${server.folder}/DC1`;
    while (!existsSync(first) || readdirSync(first).length < 3 + time * 5) {
      if (await Promise.race([isocket.ended.then(() => true), delay(2).then(() => false)])) break;
    }
    const wasRunning = lstatSync(`${site.root}/DC1/finished.watch`, { throwIfNoEntry: false }) === undefined;
    harm();
    await isocket.ended;
    const places = [site.root, `${site.root}-away`, `${folder}/empty`]; // Wherever it is now.
    for (const root of places) expectNothingWrong(root, server.folder);
    if (wasRunning) {
      faults += 1;
      for (const root of places) expect(existsSync(`${root}/DC1/finished.watch`), root).toBe(false);
    }
    for (const root of places) rmSync(root, { recursive: true, force: true });
    for (const name of readdirSync(server.folder)) rmSync(`${server.folder}/${name}`, { recursive: true });
    rmSync(site.state, { recursive: true, force: true });
    mkdirSync(site.root);
  }
  expect(faults).toBeGreaterThan(0);
  reportFigures(`the root ${how} in mid-run`, { faults, files: TIMES * (FILES + 1) });
});

it('a hostile parser swaps a sub-folder for a link, all the time', { timeout: 300_000 }, async () => {
  const outside = `${folder}/outside`;
  mkdirSync(outside);
  for (let count = 1; count <= 50; count += 1) writeFileSync(`${outside}/s${count}`, 'secret', { mode: 0o640 });
  const sub = `${site.root}/DC1/sub`;
  for (let count = 1; count <= 50; count += 1) produce(site.root, `DC1/sub/s${count}`, 6);
  for (let count = 1; count <= 50; count += 1) produce(site.root, `DC1/f${count}`, 100);
  close('DC1');
  let [swaps, isOver] = [0, false];
  const swapping = (async () => {
    while (!isOver) {
      for (let burst = 0; burst < 20; burst += 1) {
        renameSync(sub, `${site.root}/.away`);
        symlinkSync(outside, sub);
        await delay(0);
        unlinkSync(sub);
        renameSync(`${site.root}/.away`, sub);
        swaps += 1;
        await delay(0);
      }
    }
  })();
  for (let time = 1; time <= TIMES; time += 1) await startIsocket(site).ended;
  isOver = true;
  await swapping;
  for (const name of readdirSync(outside)) expect(lstatSync(`${outside}/${name}`).mode & 0o777).toBe(0o640);
  for (const path of filesBelow(server.folder))
    expect(readFileSync(`${server.folder}/${path}`, 'latin1')).not.toBe('secret');
  rmSync(`${site.root}/DC1/finished.watch`, { force: true });
  expect(await startIsocket(site).ended).toBe(0);
  expectAllThere(site.root, server.folder, 1);
  reportFigures('a sub-folder swapped for a link', { runs: TIMES, swaps, files: 100 });
});
