import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { scan } from '../../src/cli/commands/scan.ts';
import { judge, produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// Names are put on stable storage over SFTP, beside rsync: with one session at a time each waits for the other.
it('by rsync, where the server opens one session on a connection', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-one-session-'));
  try {
    await using server = await startSshd(folder, { config: ['MaxSessions 1'] });
    const { config, root } = makeSite(folder, server, {
      destination: { transport: 'rsync' },
      more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
    });
    expect((await runCommand(() => check({ config }))).code).toBe(0);
    for (const directory of ['DC1', 'DC2']) {
      for (let file = 0; file < 40; file += 1) produce(root, `${directory}/f${file}`, 100);
      writeFileSync(`${root}/${directory}/finished.parse`, '');
      const { code, said } = await runCommand(() => scan({ config }));
      expect(code, said).toBe(0);
      expect(said).not.toMatch(/warning|MaxSessions/);
    }
    expect(judge(root, server.folder)).toMatchObject({ notThere: [], half: [], finished: 2, marked: 80 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
