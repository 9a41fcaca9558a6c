import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRcloneSite, startS3 } from '../test/support/rclone-remotes.ts';
import { differences } from '../test/support/trees.ts';
import { beginAnew, fill, isocketCommand, median, time } from './support.ts';

// `transport: rclone` beside `rclone copy` with as many transfers, into one S3 server here: one after the other in each round, medians.
const [ROUNDS = 3, DIRECTORIES = 10, FILES = 1000, BYTES = 4096, TRANSFERS = 4] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
try {
  await using remote = await startS3(folder);
  const site = makeRcloneSite(folder, remote, { source: { settle: '2s' }, destination: { transfers: TRANSFERS } });
  fill(site.root, DIRECTORIES, FILES, BYTES);
  const plain = ['rclone', '--config', remote.config, '--transfers', String(TRANSFERS), 'copy', site.root, remote.remote]; // prettier-ignore
  const ours = [...isocketCommand(), '--config', site.config, 'scan', '--quiet'];
  const seconds: { readonly isocket: number[]; readonly rclone: number[] } = { isocket: [], rclone: [] };
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, command] of [
      ['isocket', ours],
      ['rclone', plain],
    ] as const) {
      beginAnew(site, remote.folder);
      seconds[name].push((await time(command, folder)).seconds);
      const wrong = differences(site.root, remote.folder, { contentOnly: true });
      if (wrong.length > 0) throw new Error(wrong[0]);
    }
  }
  const [isocket, rclone] = [median(seconds.isocket), median(seconds.rclone)];
  console.log(
    `${DIRECTORIES} × ${FILES} files of ${BYTES} bytes, ${TRANSFERS} transfers, median of ${ROUNDS}: ` +
      `isocket ${isocket.toFixed(2)} s, rclone copy ${rclone.toFixed(2)} s: ${(isocket / rclone).toFixed(2)} times`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
