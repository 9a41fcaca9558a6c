import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const ROUNDS = Number(process.env.ROUNDS ?? 12);
const OPERATIONS_A_DIRECTORY = 150;
const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;

/** mulberry32: small, and the same on every machine. */
const createRandom = (seed: number) => {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (limit: number): number => Math.floor(next() * limit) };
};

type Random = ReturnType<typeof createRandom>;

/** Programs of every habit that write into one directory (field notes: watching, §3.3). */
const churn = async (directory: string, random: Random, operations: number): Promise<number> => {
  mkdirSync(`${directory}/sub`, { recursive: true });
  const files: string[] = [];
  let made = 0;
  const content = (): Buffer => Buffer.alloc(1 + random.below(20_000), random.below(256));
  const fresh = (): string => {
    made += 1;
    const path = `${directory}/${random.below(4) === 0 ? 'sub/' : ''}file-${made}`;
    files.push(path);
    return path;
  };
  const some = (): string => files[random.below(files.length)] ?? fresh();
  const old = new Date(Date.now() - 86_400_000);
  const habits: readonly ((path: () => string) => void | Promise<void>)[] = [
    (path) => writeFileSync(path(), content()),
    (path) => writeFileSync(path(), content(), { mode: 0o664 }),
    (path) => {
      // Born g+w elsewhere and renamed into place: marked to the eye, and its ctime is not its mtime.
      const [temporary, final] = [`${directory}/.temporary`, path()];
      writeFileSync(temporary, content());
      chmodSync(temporary, 0o664);
      renameSync(temporary, final);
    },
    (path) => {
      const final = path();
      writeFileSync(final, content());
      chmodSync(final, 0o664);
      utimesSync(final, old, old);
    },
    async (path) => {
      const descriptor = openSync(path(), 'w');
      writeSync(descriptor, content());
      await delay(random.below(300));
      writeSync(descriptor, content());
      closeSync(descriptor);
    },
    (path) => {
      const from = some();
      const to = path();
      if (existsSync(from)) linkSync(from, to);
      else writeFileSync(to, content());
    },
  ];
  const afterthoughts: readonly ((path: string) => void)[] = [
    (path) => appendFileSync(path, content()),
    (path) => writeFileSync(path, content()),
    (path) => truncateSync(path, 1),
    (path) => {
      appendFileSync(path, content());
      utimesSync(path, old, old);
    },
    (path) => copyFileSync(some(), `${path}-copy`),
    (path) => chmodSync(path, 0o664),
    (path) => rmSync(path),
  ];
  for (let count = 0; count < operations; count += 1) {
    const path = some();
    const later = random.below(3) === 0 && existsSync(path);
    if (later) {
      try {
        afterthoughts[random.below(afterthoughts.length)]?.(path);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    } else await habits[random.below(habits.length)]?.(fresh);
    if (random.below(10) === 0) await delay(random.below(30));
  }
  return made;
};

it(
  `loses nothing: producers of every habit, kill -9 at random moments (SEED=${SEED})`,
  { timeout: 180_000 },
  async () => {
    const random = createRandom(SEED);
    const folder = mkdtempSync(join(tmpdir(), 'isocket-churn-'));
    try {
      await using server = await startSshd(folder);
      const site = makeSite(folder, server, { source: { settle: '100ms', superseded: '300ms' } });
      const { closeDirectory } = parser(site.root);
      // The site stands before the parser begins: what is born marked before that counts as the old tool's (contract.md §3).
      await site.scan();
      let made = 0;
      let kills = 0;
      const churning = new AbortController();
      const producing = (async () => {
        for (let round = 1; round <= ROUNDS; round += 1) {
          made += await churn(`${site.root}/DC${round}`, random, OPERATIONS_A_DIRECTORY);
          if (random.below(2) === 0) closeDirectory(`DC${round}`);
        }
        closeDirectory(`DC${ROUNDS}`);
      })().finally(() => {
        churning.abort();
      });
      while (!churning.signal.aborted) {
        const scan = spawn(process.execPath, [CLI, '--config', site.config, 'scan', '--quiet'], { stdio: 'ignore' });
        const ended = once(scan, 'exit');
        await Promise.race([ended, delay(random.below(1500))]);
        if (scan.exitCode === null && scan.kill('SIGKILL')) kills += 1;
        await ended;
      }
      await producing;

      // What may not be finished yet the next pass finishes: until the quiet times are over.
      const names = readdirSync(site.root);
      const isOver = (): boolean => names.every((name) => existsSync(`${site.root}/${name}/finished.watch`));
      for (let pass = 1; pass <= 20 && !isOver(); pass += 1) {
        const { exitCode, stdout, stderr } = await site.scan();
        expect(exitCode, stdout + stderr).toBe(0);
        if (!isOver()) await delay(100);
      }
      const wrong = names.flatMap((name) =>
        differences(`${site.root}/${name}`, `${server.folder}/${name}`, { except: ['.temporary'] }),
      );
      // A file that was removed after it had been sent stays at the destination: nothing is ever removed there.
      const lost = wrong.filter(
        (difference) => !difference.startsWith('only at the destination') || difference.endsWith('.part'),
      );
      const notMarked = names.flatMap((name) => unmarked(`${site.root}/${name}`));
      console.log(
        `churn: SEED=${SEED}, ${ROUNDS} rounds, ${made} files made, ${kills} kills: ${lost.length} lost, ${notMarked.length} not marked`,
      );
      expect(isOver()).toBe(true);
      expect(lost).toEqual([]);
      expect(notMarked).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
