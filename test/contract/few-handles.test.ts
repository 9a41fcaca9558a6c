import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scan } from '../../src/cli/commands/scan.ts';
import { judge, produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// How many handles it allows a server says a round trip after the first files were opened.
it.each([20, 40])('a server with %i descriptors gets all files in one scan', async (descriptors) => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-few-handles-'));
  try {
    await using server = await startSshd(folder, {
      config: [`ForceCommand ulimit -n ${descriptors}; exec /usr/lib/openssh/sftp-server`],
    });
    const { config, root } = makeSite(folder, server, {
      more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
    });
    for (let file = 0; file < 600; file += 1) produce(root, `DC1/f${file}`, 100);
    writeFileSync(`${root}/DC1/finished.parse`, '');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(0);
    expect(judge(root, server.folder)).toMatchObject({ notThere: [], half: [], finished: 1, marked: 600 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
