import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
import { startIsocket } from '../support/isocket-process.ts';
import { startParser } from '../support/live-parser.ts';
import { createRandom } from '../support/producers.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const STARTS = rounds(3, 100);

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-killed-'));
  server = await startSshd(folder);
  site = makeSite(folder, server);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

// A scan ends by itself, soon; a daemon begins to work within the first second.
it.each([
  ['scan', rounds(8, 200), 1500],
  ['daemon', rounds(6, 200), 2000],
] as const)(
  `a %s survives kill -9 at %i random moments over a live parser (SEED=${SEED})`,
  { timeout: 3_600_000 },
  async (command, most, longestMs) => {
    const random = createRandom(SEED);
    const watch = watchFinalNames(server.folder);
    // The site stands before the parser begins.
    expect(await startIsocket(site).ended).toBe(0);
    const parser = startParser(site.root, createRandom(SEED + 1));
    let kills = 0;
    while (kills < most) {
      const isocket = startIsocket(site, { command });
      await Promise.race([isocket.ended, delay(random.below(longestMs))]);
      if (isocket.kill()) kills += 1;
      await isocket.ended;
      expectNothingWrong(site.root, server.folder);
    }
    const directories = await parser.end();
    expect(await startIsocket(site).ended).toBe(0);
    const { files } = expectAllThere(site.root, server.folder, directories);
    const looks = await watch.end();
    reportFigures(`\`kill -9\` of a ${command} at random moments over a live parser`, {
      kills,
      files,
      'looks at final names': looks,
    });
  },
);

const fill = (directory: string): void => {
  for (let count = 0; count < 20; count += 1) produce(site.root, `${directory}/f${count}`, 3000);
  writeFileSync(`${site.root}/${directory}/finished.parse`, '');
};

it(`three runs started together, ${STARTS} times: one works, the other says so`, { timeout: 3_600_000 }, async () => {
  let refused = 0;
  for (let start = 1; start <= STARTS; start += 1) {
    fill(`DC${start}`);
    const codes = await Promise.all([startIsocket(site).ended, startIsocket(site).ended, startIsocket(site).ended]);
    expect(codes.filter((code) => code !== 0 && code !== 4)).toEqual([]);
    expect(codes).toContain(0);
    refused += codes.filter((code) => code === 4).length;
    expectAllThere(site.root, server.folder, start);
  }
  reportFigures('three runs started together', { rounds: STARTS, 'times refused': refused, files: STARTS * 20 });
});

it(`two runs and a daemon started together, ${STARTS} times: one at a time`, { timeout: 3_600_000 }, async () => {
  let [scansRefused, daemonsRefused] = [0, 0];
  for (let start = 1; start <= STARTS; start += 1) {
    fill(`DC${start}`);
    await using daemon = site.start(['daemon']);
    const scans = await Promise.all([startIsocket(site).ended, startIsocket(site).ended]);
    expect(scans.filter((code) => code !== 0 && code !== 4)).toEqual([]);
    scansRefused += scans.filter((code) => code === 4).length;
    const works = daemon.event(({ type }) => type === 'watching').then(() => true);
    const isWorking = await Promise.race([works, daemon.ended.then(() => false)]).catch(() => false);
    if (isWorking) {
      const finished = daemon.event((event) => event.type === 'finished' && event.directory === `DC${start}`);
      finished.catch(() => undefined); // A scan may have finished it before the daemon had the lock.
      if (!existsSync(`${site.root}/DC${start}/finished.watch`)) await finished;
      expect(await daemon.stop()).toBe(143);
    } else {
      expect(await daemon.ended).toBe(4);
      expect(scans).toContain(0);
      daemonsRefused += 1;
    }
    expectAllThere(site.root, server.folder, start);
  }
  reportFigures('two runs and a daemon started together', {
    rounds: STARTS,
    'runs refused': scansRefused,
    'daemons refused': daemonsRefused,
    files: STARTS * 20,
  });
});
