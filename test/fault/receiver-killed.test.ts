import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { childrenOf } from '../support/children-of.ts';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  rounds,
  reportFigures,
  watchFinalNames,
} from '../support/invariant.ts';
import { startProxy } from '../support/proxy.ts';
import { startReceiverProcess } from '../support/receiver-process.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';

const BIG_BYTES = rounds(24, 200) * 1024 * 1024;
const TENTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** False of a process that has ended by itself meanwhile. */
const killed = (pid: number): boolean => {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    expect(error).toMatchObject({ code: 'ESRCH' });
    return false;
  }
};

/** A scan whose login was killed ends as one that reaches nobody: cron starts the next one. */
const scanUntilAllIsSent = async (site: TestSite): Promise<void> => {
  for (let scan = 0; scan <= TENTHS.length; scan += 1) if ((await site.run(['scan'])).exitCode === 0) return;
  throw new Error('more scans failed than were killed');
};

describe.each(['sftp-server', 'sshd'])('%s killed', (victim) => {
  it('at every tenth of a big file: it is resumed, and whole', { timeout: 600_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-receiver-killed-'));
    try {
      await using server = await startSshd(folder);
      await using proxy = await startProxy(server.port);
      const site = makeSite(folder, server, {
        destination: through(folder, server, proxy.port),
        more: { send: { durable: false, retry: { first: '10ms', most: '50ms', hold: 20 } } },
      });
      const pid = Number(readFileSync(`${folder}/sshd/pid`, 'utf8'));
      const watch = watchFinalNames(server.folder);
      produce(site.root, 'DC1/small', 100); // The line is up before it is cut.
      produce(site.root, 'DC1/big', BIG_BYTES);
      writeFileSync(`${site.root}/DC1/finished.parse`, '');
      let kills = 0;
      const all = scanUntilAllIsSent(site);
      const ended = all.then(() => 'over' as const);
      for (const tenth of TENTHS) {
        // After a cut what is there already is read back, not sent again.
        const reached = await Promise.race([
          proxy.passed(tenth === 1 ? BIG_BYTES / 10 : BIG_BYTES / 11).then(() => 'reached' as const),
          ended,
        ]);
        if (reached === 'over') break;
        proxy.stall(); // Nothing more passes until it is killed, however slow the machine is.
        kills += (await childrenOf(pid, victim)).filter(killed).length;
        proxy.resume();
        expectNothingWrong(site.root, server.folder);
      }
      await all;
      expectAllThere(site.root, server.folder, 1);
      expect(kills).toBeGreaterThanOrEqual(5);
      reportFigures(`\`kill -9\` of ${victim} along a file of ${BIG_BYTES / 1024 / 1024} MB`, {
        kills,
        'looks at final names': await watch.end(),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** What the files of a folder take on the disk: of one that is written in pieces, the pieces that are there. */
const bytesBelow = (folder: string): number =>
  !existsSync(folder)
    ? 0
    : readdirSync(folder).reduce(
        (sum, name) => sum + (lstatSync(`${folder}/${name}`, { throwIfNoEntry: false })?.blocks ?? 0) * 512,
        0,
      );

describe('our own receiver killed', () => {
  it('at every tenth of a big file: it is resumed, and whole', { timeout: 600_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-own-receiver-killed-'));
    try {
      await using server = await startReceiverProcess(folder);
      await using proxy = await startProxy(server.port);
      const site = makeSite(folder, server, {
        destination: through(folder, server, proxy.port),
        more: { send: { durable: false, retry: { first: '50ms', most: '200ms', hold: 1000 } } },
      });
      const watch = watchFinalNames(server.folder);
      produce(site.root, 'DC1/small', 100); // The line is up before it is cut.
      produce(site.root, 'DC1/big', BIG_BYTES);
      writeFileSync(`${site.root}/DC1/finished.parse`, '');
      const started = proxy.total;
      let kills = 0;
      const scan = site.run(['scan']);
      let isOver = false as boolean;
      void scan.then(() => {
        isOver = true;
      });
      for (const tenth of TENTHS) {
        // Of the file that is there, whatever was sent on the way.
        while (!isOver && bytesBelow(`${server.folder}/DC1`) < (tenth * BIG_BYTES) / 10) await delay(2);
        if (isOver) break;
        await server.kill();
        kills += 1;
        expectNothingWrong(site.root, server.folder);
      }
      const { exitCode, stderr } = await scan;
      expect(exitCode, stderr).toBe(0);
      expectAllThere(site.root, server.folder, 1);
      expect(kills).toBeGreaterThanOrEqual(5);
      // Begun anew each time it would have been five times its size; what was on its way at each kill goes twice.
      const sent = Math.round(((proxy.total - started) / BIG_BYTES) * 100);
      expect(sent).toBeLessThan(300);
      reportFigures(`\`kill -9\` of our own receiver along a file of ${BIG_BYTES / 1024 / 1024} MB`, {
        kills,
        '% of its bytes sent': sent,
        'looks at final names': await watch.end(),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
