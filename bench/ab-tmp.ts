import { mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { beginAnew, fill } from './support.ts';
const folder = mkdtempSync(join(tmpdir(), 'ab-'));
const F = ['--max-semi-space-size=8', '--heap-growing-percent=20', '--initial-heap-size=48'];
try {
  await using server = await startSshd(folder);
  const site = makeSite(folder, server);
  fill(site.root, 1, 300_000, 100);
  for (const [name, command] of [['now', [...F, '/work/main/dist/cli.js']], ['base', ['/tmp/base/dist/cli.js']]] as const) {
    beginAnew(site, server.folder);
    const { stderr } = spawnSync('/usr/bin/time', ['-f', '%e %U %S %M', process.execPath, ...command, '--config', site.config, 'scan', '--quiet'], { encoding: 'utf8' });
    console.log(name, stderr.trim());
  }
} finally { rmSync(folder, { recursive: true, force: true }); }
