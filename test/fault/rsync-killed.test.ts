import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { childrenOf } from '../support/children-of.ts';
import { gone, killed, writtenOrOver } from '../support/far-end.ts';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  rounds,
  reportFigures,
  watchFinalNames,
} from '../support/invariant.ts';
import { startProxy } from '../support/proxy.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';

const BIG_BYTES = rounds(24, 200) * 1024 * 1024;
const TENTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((tenth) => tenth % rounds(2, 1) === rounds(1, 0));
/** Shorter than rsync's own timeout: nothing here is silent. */
const HANGS_MS = 60_000;

/**
 * The processes of the remote rsync to kill: the one that writes, and its parent every second time, as an out-of-memory killer may do.
 * The parent last: the writer would notice its end and keep its partial file.
 */
const rsyncItself = (writers: readonly number[], kills: number): readonly number[] =>
  writers.toReversed().slice(0, 1 + (kills % 2));

// Killed with -9, rsync cannot keep its partial file: only a lost session is resumed.
describe.each([
  { victim: 'rsync', mostSent: Infinity },
  { victim: 'sshd', mostSent: 250 },
])('$victim at the other end of rsync killed', ({ victim, mostSent }) => {
  it('at every tenth of a big file: each scan ends, and in the end it is whole', { timeout: 600_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-rsync-killed-'));
    try {
      await using server = await startSshd(folder);
      await using proxy = await startProxy(server.port);
      const site = makeSite(folder, server, {
        destination: { transport: 'rsync', ...through(folder, server, proxy.port) },
        // So slow that a tenth can be caught.
        more: { send: { durable: false, bandwidth: `${rounds(24, 100)}MB/s` } },
      });
      const sshd = Number(readFileSync(`${folder}/sshd/pid`, 'utf8'));
      const watch = watchFinalNames(server.folder);
      produce(site.root, 'DC1/big', BIG_BYTES);
      writeFileSync(`${site.root}/DC1/finished.parse`, '');
      let kills = 0;
      for (const tenth of TENTHS) {
        // A scan that has confirmed nothing yet gives up at the first lost connection.
        await using scan = site.start(['scan']);
        await writtenOrOver(server.folder, (tenth * BIG_BYTES) / 10, scan);
        const writers = await childrenOf(sshd, 'rsync');
        const victims = victim === 'rsync' ? rsyncItself(writers, kills) : await childrenOf(sshd, victim);
        if (victims.filter(killed).length > 0) kills += 1;
        const hangs = new AbortController();
        const exitCode = await Promise.race([
          scan.ended,
          delay(HANGS_MS, 'it hangs' as const, { signal: hangs.signal }).catch(() => undefined),
        ]);
        hangs.abort();
        expect([0, 3], scan.stderr()).toContain(exitCode);
        // An rsync that outlives its session keeps its partial file, and then ends.
        await gone(writers);
        expectNothingWrong(site.root, server.folder);
        if (exitCode === 0) break;
      }
      const { exitCode, stderr } = await site.run(['scan']);
      expect(exitCode, stderr).toBe(0);
      expectAllThere(site.root, server.folder, 1);
      expect(kills).toBeGreaterThanOrEqual(rounds(3, 5));
      // Without resuming it would be more than three times its size; what was in flight at each kill is sent twice.
      const sent = Math.round((proxy.total / BIG_BYTES) * 100);
      expect(sent).toBeLessThan(mostSent);
      reportFigures(
        `\`kill -9\` of ${victim} at the other end of rsync along a file of ${BIG_BYTES / 1024 / 1024} MB`,
        {
          kills,
          '% of its bytes sent': sent,
          'looks at final names': await watch.end(),
        },
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
