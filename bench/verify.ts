import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { fill, median, time, isocketCommand } from './support.ts';

// `isocket verify` of one directory at both ends, side by side with `find` on both ends; then of one big file by content,
// side by side with `sha256sum` on both ends. Whole processes, one after the other in each round, medians.
const [ROUNDS = 5, FILES = 100_000, BIG_MB = 512] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-verify-'));
try {
  await using server = await startSshd(folder);
  const site = makeSite(folder, server);
  fill(site.root, 1, FILES, 16);
  const old = new Date('2026-01-01');
  for (let file = 1; file <= FILES; file += 1) utimesSync(`${site.root}/DC1/file-${file}`, old, old);
  await execa('cp', ['-a', `${site.root}/DC1`, server.folder]);

  const isocket = [...isocketCommand(), '--config', site.config, 'verify'];
  const findAt = (path: string): readonly string[] => ['find', path, '-printf', '%p %s %T@\\n'];
  const measure = async (rounds: Readonly<Record<string, readonly (readonly string[])[]>>): Promise<void> => {
    const seconds = new Map<string, number[]>(Object.keys(rounds).map((name) => [name, []]));
    let peak = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const [name, commands] of Object.entries(rounds)) {
        let sum = 0;
        for (const command of commands) {
          const run = await time(command, folder);
          sum += run.seconds;
          if (command[0] === process.execPath) peak = Math.max(peak, run.peakMb);
        }
        seconds.get(name)?.push(sum);
      }
    }
    const reference = median(seconds.get('isocket') ?? []);
    for (const [name, all] of seconds) {
      const ratio = (reference / median(all)).toFixed(2);
      console.log(`  ${name.padEnd(24)} ${median(all).toFixed(2)} s  isocket/it ${ratio}`);
    }
    console.log(`  isocket's peak ${peak.toFixed(0)} MB`);
  };

  console.log(`verify, ${FILES} files in one directory, median of ${ROUNDS}:`);
  await measure({ isocket: [isocket], 'find on both ends': [findAt(site.root), findAt(server.folder)] });

  rmSync(`${site.root}/DC1`, { recursive: true });
  rmSync(`${server.folder}/DC1`, { recursive: true });
  fill(site.root, 2, 1, BIG_MB * 1024 * 1024);
  await execa('cp', ['-a', `${site.root}/.`, server.folder]);
  console.log(`verify --checksum, 2 files of ${BIG_MB} MB, median of ${ROUNDS}:`);
  const sums = (at: string): readonly string[] => ['sha256sum', `${at}/DC1/file-1`, `${at}/DC2/file-1`];
  await measure({
    isocket: [[...isocket, '--checksum']],
    'sha256sum on both ends': [sums(site.root), sums(server.folder)],
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
