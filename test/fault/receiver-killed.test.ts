import { execa } from 'execa';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  expectAllThere,
  expectNothingWrong,
  produce,
  rounds,
  tellFigures,
  watchFinalNames,
} from '../support/invariant.ts';
import { startProxy } from '../support/proxy.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const BIG_BYTES = rounds(24, 200) * 1024 * 1024;
const TENTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** The processes of this sshd that serve connections (sshd) or files (sftp-server). */
const childrenOf = async (pid: number, name: string): Promise<number[]> => {
  const { stdout } = await execa('ps', ['-e', '-o', 'pid=,ppid=,comm=']);
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  const below = new Set([String(pid)]);
  for (let pass = 0; pass < 4; pass += 1) {
    for (const [child = '', parent = ''] of rows) if (below.has(parent)) below.add(child);
  }
  return rows
    .filter(([child = '', , comm]) => child !== String(pid) && below.has(child) && comm === name)
    .map(([child]) => Number(child));
};

describe.each(['sftp-server', 'sshd'])('%s killed', (victim) => {
  it('at every tenth of a big file: it is resumed, and whole', { timeout: 600_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isocket-receiver-killed-'));
    try {
      await using server = await startSshd(folder);
      await using proxy = await startProxy(server.port);
      writeFileSync(
        `${folder}/known`,
        `[127.0.0.1]:${proxy.port} ${(await execa('cat', [`${folder}/sshd/host_key.pub`])).stdout}\n`,
      );
      const site = makeSite(folder, server, {
        destination: { port: proxy.port, knownHosts: `${folder}/known` },
        more: { send: { durable: false, retry: { first: '10ms', most: '50ms', hold: 20 } } },
      });
      const pid = Number((await execa('cat', [`${folder}/sshd/pid`])).stdout);
      const watch = watchFinalNames(server.folder);
      produce(site.root, 'DC1/small', 100); // The line is up before it is cut.
      produce(site.root, 'DC1/big', BIG_BYTES);
      writeFileSync(`${site.root}/DC1/finished.parse`, '');
      let kills = 0;
      const scan = site.run(['scan', '--json']);
      const ended = scan.then(() => 'over' as const);
      for (const tenth of TENTHS) {
        // After a cut what is there already is read back, not sent again.
        const reached = await Promise.race([
          proxy.passed(tenth === 1 ? BIG_BYTES / 10 : BIG_BYTES / 11).then(() => 'reached' as const),
          ended,
        ]);
        if (reached === 'over') break;
        for (const child of await childrenOf(pid, victim)) {
          process.kill(child, 'SIGKILL');
          kills += 1;
        }
        expectNothingWrong(site.root, server.folder);
      }
      const { exitCode, stderr } = await scan;
      if (exitCode !== 0) expect((await site.run(['scan'])).exitCode, stderr).toBe(0);
      expectAllThere(site.root, server.folder, 1);
      expect(kills).toBeGreaterThanOrEqual(5);
      tellFigures(`\`kill -9\` of ${victim} along a file of ${BIG_BYTES / 1024 / 1024} MB`, {
        kills,
        'looks at final names': await watch.end(),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
