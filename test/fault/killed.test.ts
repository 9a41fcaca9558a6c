import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  rounds,
  tellFigures,
  watchFinalNames,
} from '../support/invariant.ts';
import { startIsocket } from '../support/isocket-process.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const KILLS = rounds(8, 200);
const STARTS = rounds(4, 100);

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

it(`survives kill -9 at ${KILLS} random moments`, { timeout: 3_600_000 }, async () => {
  const watch = watchFinalNames(server.folder);
  let directory = 1;
  let [kills, files, longestMs] = [0, 0, 500];
  while (kills < KILLS) {
    for (let count = 0; count < 40; count += 1)
      produce(site.root, `DC${directory}/f${(files += 1)}`, 1 + ((files * 7919) % 60_000));
    produce(site.root, `DC${directory}/sub/big${files}`, 700_000);
    files += 1;
    if (kills % 3 === 2) {
      writeFileSync(`${site.root}/DC${directory}/finished.parse`, '');
      directory += 1;
    }
    const started = performance.now();
    const isocket = startIsocket(site);
    await Promise.race([isocket.ended, delay(Math.random() * longestMs * 1.2)]);
    if (isocket.kill()) kills += 1;
    await isocket.ended;
    longestMs = Math.max(longestMs, performance.now() - started);
    expectNothingWrong(site.root, server.folder);
  }
  writeFileSync(`${site.root}/DC${directory}/finished.parse`, '');
  produce(site.root, `DC${directory}/last`, 1);
  expect(await startIsocket(site).ended).toBe(0);
  const verdict = expectAllThere(site.root, server.folder, directory);
  const looks = await watch.end();
  tellFigures('`kill -9` of isocket at random moments', {
    rounds: kills,
    files: verdict.files,
    'looks at final names': looks,
  });
});

it(`two runs started together, ${STARTS} times: one works, the other says so`, { timeout: 3_600_000 }, async () => {
  let refused = 0;
  for (let start = 1; start <= STARTS; start += 1) {
    for (let count = 0; count < 20; count += 1) produce(site.root, `DC${start}/f${count}`, 3000);
    writeFileSync(`${site.root}/DC${start}/finished.parse`, '');
    const codes = await Promise.all([startIsocket(site).ended, startIsocket(site).ended, startIsocket(site).ended]);
    expect(codes.filter((code) => code !== 0 && code !== 4)).toEqual([]);
    expect(codes).toContain(0);
    refused += codes.filter((code) => code === 4).length;
    expectAllThere(site.root, server.folder, start);
  }
  tellFigures('three runs started together', { rounds: STARTS, 'times refused': refused, files: STARTS * 20 });
});
