import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { rounds, reportRow } from '../support/invariant.ts';
import { parser } from '../support/parser.ts';
import { churn, createRandom } from '../support/producers.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const ROUNDS = Number(process.env.ROUNDS ?? rounds(12, 60));
const OPERATIONS_A_DIRECTORY = 150;

it(
  `loses nothing: producers of every habit, kill -9 at random moments (SEED=${SEED})`,
  { timeout: 60_000 + ROUNDS * 10_000 },
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
      reportRow(
        `\`kill -9\` of a scan under producers of every habit (SEED=${SEED})`,
        { directories: names.length, 'files made': made, kills },
        { lost: lost.length, 'not marked': notMarked.length },
      );
      expect(isOver()).toBe(true);
      expect(lost).toEqual([]);
      expect(notMarked).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
