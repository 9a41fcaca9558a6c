import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSshd } from '../test/support/sshd.ts';
import { show } from './latency.ts';
import { measureIsocket, measureLsyncd } from './live-contestants.ts';
import { median } from './support.ts';

// Latency of one file from its writer's close to its final name at the destination, and to its mark at the source. The bench
// watches both folders by inotify (fs.watch), so the kernel's notification delay is included for both tools.
const [FILES = 200, EVERY_MS = 50, BYTES = 4096] = process.argv.slice(2, 5).map(Number);
/** `sftp` is compared with lsyncd; `rsync` is measured alone. */
const TRANSPORT = process.argv[5] ?? 'sftp';

const how = { files: FILES, bytes: BYTES, everyMs: EVERY_MS, transport: TRANSPORT };
const folder = mkdtempSync(join(tmpdir(), 'isocket-live-'));
try {
  // Without the start-up files of this account's shell, which every run of rsync would wait for.
  await using server = await startSshd(folder, { config: [`SetEnv HOME=${folder}`] });
  const load = loadavg()[0] ?? 0;
  console.log(
    `one file of ${BYTES} bytes every ${EVERY_MS} ms, ${FILES} files; load ${load.toFixed(1)} at the start; milliseconds after the close:`,
  );
  const isocket = await measureIsocket(folder, server, how);
  show('isocket: under its final name', isocket.visible);
  show('isocket: and marked', isocket.marked);
  if (TRANSPORT === 'sftp') {
    const lsyncd = await measureLsyncd(folder, server, how);
    show('lsyncd: under its final name', lsyncd.visible);
    console.log(`isocket/lsyncd, medians: ${(median(isocket.visible) / median(lsyncd.visible)).toFixed(3)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
