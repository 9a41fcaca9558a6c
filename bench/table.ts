import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { measureIsocket, measureLsyncd } from './live-contestants.ts';
import { runContest, type Contest, type Result } from './table/contest.ts';
import { measure, type Sample } from './table/measure.ts';
import { PEERS } from './table/peers.ts';
import { drawing, lines } from './table/show.ts';
import { fill, isocketCommand } from './support.ts';

// The same work by isocket and by its peers: whole processes, medians, each run ending with a comparison byte for byte.
// `--quick`: fewer rounds, and less of the work that takes longest. With identifiers (`P1 P4`): these only; `--keep` puts them in
// the place of what was kept of them.
const isQuick = process.argv.includes('--quick');
const only = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const ROUNDS = isQuick ? 3 : 5;
const MB = 1024 * 1024;
const RESULTS = new URL('results.json', import.meta.url);
const DRAWING = new URL('../docs/images/performance.svg', import.meta.url);

const small = { rounds: ROUNDS, roundTripMs: 0, durable: false };
const contests: readonly Contest[] = [
  {
    ...small,
    id: 'P1',
    work: '10,000 files of 4 KiB',
    fill: (root) => fill(root, 10, 1000, 4096),
    peers: ['rsync -a', 'tar | ssh', ...(isQuick ? [] : ['lftp', 'sftp -b', 'scp -rp', 'rclone'])],
  },
  {
    ...small,
    id: 'P2',
    work: '10,000 files of 4 KiB, round trip 100 ms',
    roundTripMs: 100,
    fill: (root) => fill(root, 10, 1000, 4096),
    peers: ['rsync -a', 'tar | ssh'],
  },
  {
    ...small,
    id: 'P3',
    work: '5,000 files of 4 KiB, durable',
    durable: true,
    fill: (root) => fill(root, 5, 1000, 4096),
    peers: ['rsync -a --fsync'],
  },
  {
    ...small,
    id: 'P4',
    areFilesBig: true,
    work: `one file of ${isQuick ? 256 : 1024} MiB`,
    fill: (root) => fill(root, 1, 1, (isQuick ? 256 : 1024) * MB),
    peers: ['rsync -aW', 'scp -rp', 'sftp -b'],
  },
  {
    ...small,
    id: 'P5',
    areFilesBig: true,
    work: `one file of ${isQuick ? 64 : 256} MiB, round trip 100 ms`,
    roundTripMs: 100,
    fill: (root) => fill(root, 1, 1, (isQuick ? 64 : 256) * MB),
    peers: ['rsync -aW', 'scp -rp'],
  },
  {
    ...small,
    id: 'P7',
    work: 'a tree that nobody made for this: the dependencies of this project',
    fill: async (root) => {
      // A link would be copied as one, and what it leads to lose its bits.
      await cp(realpathSync(new URL('../node_modules', import.meta.url)), `${root}/DC1`, {
        recursive: true,
        dereference: false,
        preserveTimestamps: true,
        filter: (source) => !source.includes('/node_modules/.'),
      });
      writeFileSync(`${root}/DC1/finished.parse`, '');
    },
    peers: ['rsync -a', 'tar | ssh'],
  },
  {
    ...small,
    id: 'P10',
    transport: 'rsync',
    work: '10,000 files of 4 KiB, transport: rsync',
    fill: (root) => fill(root, 10, 1000, 4096),
    peers: ['rsync -a'],
  },
  {
    ...small,
    id: 'T1',
    work: 'one file of 4 KiB, round trip 500 ms',
    roundTripMs: 500,
    fill: (root) => fill(root, 1, 1, 4096),
    peers: ['rsync -a'],
  },
  {
    ...small,
    id: 'T2',
    work: '1,000 files of 4 KiB, round trip 500 ms',
    roundTripMs: 500,
    fill: (root) => fill(root, 1, 1000, 4096),
    peers: ['rsync -a'],
  },
];

/** From the close of one file to its final name, and to its mark: every sample is one file. */
const live = async (): Promise<Result> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
  try {
    await using server = await startSshd(folder, { config: [`SetEnv HOME=${folder}`] });
    const how = { files: isQuick ? 40 : 200, bytes: 4096, everyMs: 50, transport: 'sftp' };
    const { visible, marked } = await measureIsocket(folder, server, how);
    const lsyncd = existsSync('/usr/bin/lsyncd') ? (await measureLsyncd(folder, server, how)).visible : [];
    const samplesOf = (all: readonly number[]): Sample[] =>
      all.map((ms) => ({ seconds: ms / 1000, cpuSeconds: undefined, peakMb: undefined }));
    const named: readonly (readonly [string, readonly number[]])[] = [
      ['isocket', visible],
      ['isocket, marked', marked],
      ['lsyncd', lsyncd],
    ];
    const samples = new Map(named.filter(([, all]) => all.length > 0).map(([name, all]) => [name, samplesOf(all)]));
    return { id: 'P6', work: 'live: one file of 4 KiB, from its close to its final name', samples };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Commands that have nothing to send, beside what a shell would do. */
const idle = async (): Promise<Result[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
  try {
    await using server = await startSshd(folder);
    const many = makeSite(folder, server, { name: 'many' });
    for (let directory = 1; directory <= 50_000; directory += 1) {
      mkdirSync(`${many.root}/DC${directory}`);
      writeFileSync(`${many.root}/DC${directory}/finished.watch`, '{}\n');
    }
    const empty = makeSite(folder, server, { name: 'empty' });
    mkdirSync(`${empty.root}/DC1`);
    const isocket = (config: string, ...args: readonly string[]): string[] => [
      ...isocketCommand(),
      '--config',
      config,
      ...args,
    ];
    const find = ['find', many.root, '-maxdepth', '2', '-name', 'finished.watch'];
    const node = [process.execPath, '-e', '0'];
    return [
      await compare('P8', 'scan, 50,000 finished directories', { isocket: isocket(many.config, 'scan'), find }, folder),
      await compare(
        'P8',
        'status, 50,000 finished directories',
        { isocket: isocket(many.config, 'status'), find },
        folder,
      ),
      await compare(
        'P9',
        'isocket --version',
        { isocket: [...isocketCommand(), '--version'], 'node -e 0': node },
        folder,
      ),
      await compare(
        'P9',
        'scan of an empty directory',
        { isocket: isocket(empty.config, 'scan'), 'node -e 0': node },
        folder,
      ),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const compare = async (
  id: string,
  work: string,
  commands: Readonly<Record<string, readonly string[]>>,
  folder: string,
): Promise<Result> => {
  const samples = new Map<string, Sample[]>(Object.keys(commands).map((name) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1)
    for (const [name, command] of Object.entries(commands)) samples.get(name)?.push(await measure(command, folder));
  return { id, work, samples };
};

/** A result as it is kept. */
interface Kept {
  readonly id: string;
  readonly work: string;
  readonly machine: string;
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

const results: Result[] = [];
const show = (result: Result): void => {
  results.push(result);
  console.log(lines(result).join('\n'));
};
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'processor'}, Linux, Node ${process.version}, load ${(loadavg()[0] ?? 0).toFixed(1)} at the start`;
console.log(`${machine}; medians of ${ROUNDS}`);
const isWanted = (id: string): boolean => only.length === 0 || only.includes(id);
for (const contest of contests) if (isWanted(contest.id)) show(await runContest(contest, PEERS));
if (isWanted('P6')) show(await live());
if (isWanted('P8') || isWanted('P9')) for (const result of await idle()) if (isWanted(result.id)) show(result);
if ((only.length === 0 || process.argv.includes('--keep')) && !isQuick) {
  const now: Kept[] = results.map(({ id, work, samples }) => ({
    ...{ id, work, machine },
    samples: Object.fromEntries(samples),
  }));
  const before = only.length === 0 ? [] : (JSON.parse(readFileSync(RESULTS, 'utf8')) as { results: Kept[] }).results;
  const isSame = (one: Kept) => (other: Kept) => one.id === other.id && one.work === other.work;
  const kept = [
    ...before.map((one) => now.find(isSame(one)) ?? one),
    ...now.filter((one) => !before.some(isSame(one))),
  ];
  writeFileSync(RESULTS, `${JSON.stringify({ rounds: ROUNDS, results: kept }, undefined, 1)}\n`);
  const drawn = kept.map(({ id, work, samples }) => ({ id, work, samples: new Map(Object.entries(samples)) }));
  const machines = [...new Set(kept.map((one) => one.machine))];
  writeFileSync(DRAWING, drawing(drawn, machines));
}
