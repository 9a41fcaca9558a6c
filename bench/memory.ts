import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { fill, time, isocketCommand } from './support.ts';

// One directory of many small files: the most memory that a pass over it takes.
const [FILES = 300_000] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-memory-'));
try {
  await using server = await startSshd(folder);
  const site = makeSite(folder, server);
  fill(site.root, 1, FILES, 100);
  const { seconds, peakMb } = await time([...isocketCommand(), '--config', site.config, 'scan', '--quiet'], folder);
  console.log(`${FILES} files in one directory: ${seconds.toFixed(1)} s, peak ${peakMb.toFixed(0)} MB`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
