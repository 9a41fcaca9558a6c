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

// rsync ends with 0 where an option at the far end leaves files out.
it.each([
  ['rrsync -no-overwrite', (path: string) => `/usr/bin/rrsync -wo -no-overwrite ${path}`],
  [
    '--ignore-existing',
    (path: string) => `cd ${path}; exec \${SSH_ORIGINAL_COMMAND/--server/--server --ignore-existing}`,
  ],
])('a file that %s leaves out is not marked, and is told', async (_what, command) => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-left-out-'));
  try {
    await using server = await startSshd(folder, { command });
    const { config, root } = makeSite(folder, server, { destination: { transport: 'rsync', path: 'x' } });
    expect((await runCommand(() => check({ config }))).said).toMatch(/failure +replace/);
    produce(root, 'DC1/f1', 100);
    produce(root, 'DC1/f2', 100);
    expect((await runCommand(() => scan({ config }))).code).toBe(0);
    produce(root, 'DC1/f1', 200);
    produce(root, 'DC1/f3', 100);
    writeFileSync(`${root}/DC1/finished.parse`, '');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(3);
    expect(said).toMatch(/Cannot send "DC1\/f1" .*left it out.*-no-overwrite/);
    expect(judge(root, `${server.folder}/x`)).toMatchObject({
      wronglyMarked: [],
      notThere: ['DC1/f1'],
      finished: 0,
      marked: 2,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
