import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectAllThere, expectNothingWrong, judge, produce, reportFigures, rounds } from '../support/invariant.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { createRandom } from '../support/producers.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import {
  FAULTS,
  runPlainly,
  runWithFault,
  traceCalls,
  type CallPoint,
  type CallRunner,
} from '../support/system-calls.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const FILES = 200;
const LIMIT_MS = 30_000;
/** CI takes as many as fit; the full form takes points all along the run for each call and fault. */
const BUDGET_MS = Number(process.env.BUDGET_S ?? NaN) * 1000 || rounds(12_000, 3_600_000);
const POINTS = rounds(2, 8);

/** By hand: SWEEP=rsync, system (`ssh: system`) or daemon. */
const SWEEP = process.env.SWEEP ?? 'sftp';
const DESTINATIONS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  rsync: { transport: 'rsync' },
  system: { ssh: 'system' },
};

interface Injection {
  readonly point: CallPoint;
  readonly fault: string;
}

/** Points all along the run: the first one, the last one, and others between. */
const spread = (points: readonly CallPoint[], most: number): CallPoint[] =>
  points.length <= most
    ? [...points]
    : Array.from({ length: most }, (_, index) => points[Math.round((index * (points.length - 1)) / (most - 1))]).filter(
        (point) => point !== undefined,
      );

/** Each fault of each call once, then once more, and so on, in another order each time: CI comes to the first few. */
const injectionsOf = (points: readonly CallPoint[]): Injection[] => {
  const random = createRandom(SEED);
  const shuffled = <T>(all: readonly T[]): T[] =>
    all
      .map((one) => ({ one, key: random.below(1_000_000) }))
      .toSorted((x, y) => x.key - y.key)
      .map(({ one }) => one);
  const byCall = Map.groupBy(points, ({ call }) => call);
  const all = [...byCall].flatMap(([call, its]) =>
    [...(FAULTS[call] ?? []), 'SIGKILL'].flatMap((fault) =>
      shuffled(spread(its, POINTS)).map((point, round) => ({ point, fault, round })),
    ),
  );
  return shuffled(all).toSorted((x, y) => x.round - y.round);
};

const newSite = (folder: string, server: TestServer, name: string): TestSite => {
  const site = makeSite(folder, server, { name, destination: DESTINATIONS[SWEEP] ?? {} });
  for (let count = 1; count <= FILES; count += 1)
    produce(site.root, `DC1/sub${count % 3}/f${count}`, 300 + ((count * 7919) % 4000));
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  return site;
};

it(`each system call fails once, or is the last one (SEED=${SEED})`, { timeout: 4_000_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-calls-'));
  await using server = await (SWEEP === 'rsync' ? startSshd(folder) : startOwnReceiver(folder));
  const empty = (): void => {
    rmSync(server.folder, { recursive: true });
    mkdirSync(server.folder);
  };
  const runnerOf = ({ config, root }: TestSite): CallRunner => ({
    config,
    home: config.slice(0, config.lastIndexOf('/')),
    command: SWEEP === 'daemon' ? 'daemon' : 'scan',
    proof: `${root}/DC1/finished.watch`,
  });
  const traced = newSite(folder, server, 'traced');
  const points = await traceCalls(runnerOf(traced), `${folder}/trace`);
  expect(points.length).toBeGreaterThan(FILES);
  const begunMs = performance.now();
  let [injections, again] = [0, 0];
  for (const { point, fault } of injectionsOf(points)) {
    if (performance.now() - begunMs > BUDGET_MS) break;
    empty();
    const site = newSite(folder, server, 'swept');
    const outcome = await runWithFault(runnerOf(site), point, fault, LIMIT_MS);
    injections += 1;
    const where = `${fault} at ${point.call} ${point.nth}: ${point.text.replaceAll(folder, '')}`;
    const told = { ...outcome, stderr: outcome.stderr.slice(0, 2000) };
    const isWell =
      !outcome.isTooLong && (fault === 'SIGKILL' || outcome.exitCode !== 1) && !/\n {4}at |defect/.test(outcome.stderr);
    if (!isWell) console.log(where, JSON.stringify(told));
    expect.soft(isWell, `${where}: ${JSON.stringify(told)}`).toBe(true);
    expectNothingWrong(site.root, server.folder);
    const { notThere, finished } = judge(site.root, server.folder);
    if (notThere.length > 0 || finished === 0) {
      again += 1;
      if (outcome.exitCode === 0) expect.soft(where, 'it ended with 0 and left something').toBe('');
      const next = await runPlainly(runnerOf(site), LIMIT_MS);
      expect.soft(next, `the run after ${where}`).toMatchObject({ exitCode: SWEEP === 'daemon' ? 143 : 0, stderr: '' });
      expectAllThere(site.root, server.folder, 1);
    }
    rmSync(`${folder}/swept`, { recursive: true });
  }
  rmSync(folder, { recursive: true });
  reportFigures(`a system call that fails, or kill -9 in it, ${SWEEP} (SEED=${SEED})`, {
    injections,
    'completed by the next run': again,
    files: FILES * injections,
  });
});
