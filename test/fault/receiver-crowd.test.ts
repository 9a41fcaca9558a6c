import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI_COMMAND } from '../support/cli.ts';
import { produce, reportRow, rounds, watchFinalNames } from '../support/invariant.ts';
import { startIsocket } from '../support/isocket-process.ts';
import { peakMbOf, residentMbOf } from '../support/process-memory.ts';
import { createRandom, type Random } from '../support/producers.ts';
import { startReceiverProcess, type ReceiverProcess } from '../support/receiver-process.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { differences } from '../support/trees.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const CLIENTS = rounds(6, 64);
const FILES = rounds(30, 100);
const FILE_BYTES = 100 * 1024;
const KILLS_OF_EACH = rounds(2, 4);
const MOST_SCANS = 40;
const LIMIT_MB = 300;

let folder: string;
let server: ReceiverProcess;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-crowd-'));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const startReceiver = async (): Promise<void> => {
  // As docs/receiver.md says of clients that have one address and one key.
  const limits = { loginsPerAddress: 128, connectionsPerKey: 512 };
  const receive = { root: '/', listen: '127.0.0.1:1', authorizedKeys: '/none', limits };
  writeFileSync(`${folder}/rc.json`, JSON.stringify({ receive }), { mode: 0o600 });
  server = await startReceiverProcess(folder, { command: CLI_COMMAND, args: ['--config', `${folder}/rc.json`] });
  // The clients stand for other machines, which would not take its processor.
  setPriority(server.pid, constants.priority.PRIORITY_HIGHEST);
};

/** Kills its scans with -9, each when a few more files have come, then lets one end. Resolves with the number of kills. */
const runClient = async (site: TestSite, directory: string, random: Random): Promise<number> => {
  const arrived = (): number =>
    existsSync(`${server.folder}/${directory}`) ? readdirSync(`${server.folder}/${directory}`).length : 0;
  let kills = 0;
  for (let scan = 1; scan <= MOST_SCANS; scan += 1) {
    const running = startIsocket(site);
    let isOver = false as boolean;
    void running.ended.then(() => (isOver = true));
    if (kills < KILLS_OF_EACH) {
      const wanted = arrived() + random.below(FILES / KILLS_OF_EACH);
      // What has a temporary name counts, too: it is killed with files in flight.
      while (!isOver && arrived() < wanted) await delay(20);
      if (running.kill()) kills += 1;
    }
    if ((await running.ended) === 0) return kills;
  }
  throw new Error(`${site.name} was not done after ${MOST_SCANS} scans`);
};

it(
  `${CLIENTS} clients, each with ${FILES} files, killed and started again at random (SEED=${SEED})`,
  { timeout: 3_600_000 },
  async () => {
    const random = createRandom(SEED);
    await startReceiver();
    const clients = Array.from({ length: CLIENTS }, (_, index) => {
      const directory = `DC${index + 1}`;
      // Slow enough to be killed on the way.
      const site = makeSite(folder, server, { name: `site-${index + 1}`, more: { send: { bandwidth: '1MB/s' } } });
      for (let file = 1; file <= FILES; file += 1) produce(site.root, `${directory}/file-${file}`, FILE_BYTES);
      writeFileSync(`${site.root}/${directory}/finished.parse`, '');
      return { site, directory, random: createRandom(random.below(2 ** 31)) };
    });
    const watch = watchFinalNames(server.folder);
    const kills = await Promise.all(clients.map((client) => runClient(client.site, client.directory, client.random)));
    const looks = await watch.end();
    for (const { site, directory } of clients) {
      expect(differences(`${site.root}/${directory}`, `${server.folder}/${directory}`)).toEqual([]);
      expect(existsSync(`${site.root}/${directory}/finished.watch`)).toBe(true);
    }
    const peakMb = peakMbOf(server.pid);
    const total = kills.reduce((sum, count) => sum + count, 0);
    const done = { clients: CLIENTS, files: CLIENTS * FILES, kills: total, 'looks at final names': looks };
    reportRow(`clients of one receiver killed (SEED=${SEED})`, { ...done, 'MB at most': peakMb }, { half: 0, lost: 0 });
    expect(total).toBeGreaterThan(CLIENTS);
    expect(peakMb).toBeLessThan(LIMIT_MB);
  },
);

/** First it fills what it keeps: V8 collects buffers when some 64 MB of them are no longer used. */
const WARM_MB = 128;
const RECEIVED_MB = rounds(256, 2048);
const PIECE_MB = 128;
const GROWTH_MB = 64;

it(`its memory does not grow with what it received: ${RECEIVED_MB} MB`, { timeout: 3_600_000 }, async () => {
  await startReceiver();
  writeFileSync(`${folder}/piece`, '');
  truncateSync(`${folder}/piece`, PIECE_MB * 2 ** 20);
  const put = (times: number) =>
    execa(
      'sftp',
      [
        ...['-F', 'none', '-q', '-i', server.identityFile, '-o', `UserKnownHostsFile=${server.knownHosts}`],
        ...['-P', String(server.port), '-b', '-', 'x@127.0.0.1'],
      ],
      { input: `put ${folder}/piece piece\n`.repeat(times) },
    );
  await put(WARM_MB / PIECE_MB);
  const before = residentMbOf(server.pid);
  await put(RECEIVED_MB / PIECE_MB);
  const after = residentMbOf(server.pid);
  reportRow(`${RECEIVED_MB} MB received`, { 'MB before': before, 'MB after': after }, {});
  expect(after - before).toBeLessThan(GROWTH_MB);
});
