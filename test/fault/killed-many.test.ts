import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, type BigIntStats } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readConfig } from '../../src/cli/commands/open-site.ts';
import { isMarked } from '../../src/marks/mark.ts';
import { readRecord } from '../../src/marks/record.ts';
import { destinationKeys, type DestinationKey } from '../../src/marks/record-hash.ts';
import { viewState } from '../../src/marks/state.ts';
import { reportRow, rounds } from '../support/invariant.ts';
import { isWhole, produceMany } from '../support/many-files.ts';
import { createRandom, type Random } from '../support/producers.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences } from '../support/trees.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const DIRECTORIES = rounds(8, 100);
const FILES_A_DIRECTORY = rounds(250, 1000);
const KILLS = rounds(6, 40);
const LONGEST_MS = rounds(700, 3000);
const LONGEST_BEGIN_MS = 5000;
const MOST_PASSES = 40;

it(
  `${DIRECTORIES * FILES_A_DIRECTORY} files against sshd, a scan or a daemon killed with -9 ${KILLS} times (SEED=${SEED})`,
  { timeout: 3_600_000 },
  async () => {
    const random = createRandom(SEED);
    const folder = mkdtempSync(join(tmpdir(), 'isocket-killed-many-'));
    try {
      await using server = await startSshd(folder);
      const site = makeSite(folder, server, { source: { settle: '100ms', superseded: '1s' } });
      const check = new KillCheck(site, server.folder, destinationKeys((await readConfig(site, ignore)).destinations));
      let [kills, isProduced] = [0, false];
      const producing = produceMany(
        site.root,
        { directories: DIRECTORIES, filesADirectory: FILES_A_DIRECTORY, random: createRandom(SEED + 1) },
        // The producer is as far as the kills are: neither ends long before the other.
        async (files) => {
          do await delay(1);
          while (files / (DIRECTORIES * FILES_A_DIRECTORY) > (kills + 1) / KILLS);
        },
      ).finally(() => (isProduced = true));
      while (kills < KILLS || !isProduced) {
        if (await killAtWork(site, random)) kills += 1;
        check.run();
      }
      const done = await producing;

      const names = readdirSync(site.root);
      const isOver = (): boolean => names.every((name) => existsSync(`${site.root}/${name}/finished.watch`));
      for (let pass = 1; pass <= MOST_PASSES && !isOver(); pass += 1) {
        const { exitCode, stdout, stderr } = await site.scan();
        expect(exitCode, stdout + stderr).toBe(0);
        if (!isOver()) await delay(200);
      }
      check.run();
      const wrong = names.flatMap((name) => differences(`${site.root}/${name}`, `${server.folder}/${name}`));
      // What a file was called before it was renamed stays at the destination: nothing is ever removed there.
      const lost = wrong.filter((difference) => !difference.startsWith('only at the destination'));
      const left = wrong.filter((difference) => difference.endsWith('.part'));
      reportRow(
        `\`kill -9\` of scans and daemons while many files are written, written over and renamed (SEED=${SEED})`,
        { kills, directories: names.length, ...done, 'comparisons of what the record confirms': check.compared },
        {
          lost: lost.length,
          'wrongly marked': check.wronglyMarked.length,
          partial: check.partial.length,
          'temporary files left': left.length,
        },
      );
      expect(isOver()).toBe(true);
      expect([lost, check.wronglyMarked, check.partial, left]).toEqual([[], [], [], []]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

const ignore = (): void => undefined;

/** Starts a scan or a daemon and kills it at a random moment, mostly after it has begun to send. False: it had ended by itself. */
const killAtWork = async (site: TestSite, random: Random): Promise<boolean> => {
  await using isocket = site.start([random.below(2) === 0 ? 'scan' : 'daemon']);
  const begun = random.below(5) === 0 ? undefined : isocket.event(({ type }) => type === 'sent').catch(ignore);
  // Everything may be sent already, while the producer waits for this kill.
  await Promise.race([begun, isocket.ended, delay(LONGEST_BEGIN_MS)]);
  await Promise.race([isocket.ended, delay(random.below(LONGEST_MS))]);
  return (await isocket.stop('SIGKILL')) === undefined;
};

/** What must hold whenever isocket was killed, checked while the producer waits and no isocket runs. */
class KillCheck {
  /** Confirmed by the record, or in a finished directory, and not so at the destination. */
  readonly wronglyMarked: string[] = [];
  /** Under a final name, and not whole. */
  readonly partial: string[] = [];
  compared = 0;
  readonly #site: TestSite;
  readonly #destination: string;
  readonly #keys: readonly DestinationKey[];
  /** What was compared, and is the same since. */
  readonly #seen = new Map<string, string>();

  constructor(site: TestSite, destination: string, keys: readonly DestinationKey[]) {
    this.#site = site;
    this.#destination = destination;
    this.#keys = keys;
  }

  run(): void {
    const state = viewState(this.#site.state, this.#site.root);
    for (const name of readdirSync(this.#site.root)) {
      const isFinished = existsSync(`${this.#site.root}/${name}/finished.watch`);
      const record = readRecord(state.recordPath(name), this.#keys);
      for (const path of filesBelow(`${this.#site.root}/${name}`)) {
        const source = `${this.#site.root}/${name}/${path}`;
        const stats = lstatSync(source, { bigint: true });
        const isConfirmed = isMarked(stats) && record?.lookUp(path, stats) === 'confirmed';
        if ((!isConfirmed && !isFinished) || !this.#isNew(source, stats)) continue;
        this.compared += 1;
        const there = contentOf(`${this.#destination}/${name}/${path}`);
        if (there?.equals(readFileSync(source)) !== true) this.wronglyMarked.push(`${name}/${path}`);
      }
    }
    this.#checkFinalNames();
  }

  #checkFinalNames(): void {
    for (const path of filesBelow(this.#destination)) {
      const file = `${this.#destination}/${path}`;
      if (!this.#isNew(file, lstatSync(file, { bigint: true }))) continue;
      if (!isWhole(readFileSync(file))) this.partial.push(path);
    }
  }

  #isNew(path: string, { ino, size, mtimeNs, ctimeNs }: BigIntStats): boolean {
    const state = `${ino}/${size}/${mtimeNs}/${ctimeNs}`;
    if (this.#seen.get(path) === state) return false;
    this.#seen.set(path, state);
    return true;
  }
}

const contentOf = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
};

/** Final names below, as paths. */
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && !entry.name.startsWith('finished.'))
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.length + 1));
