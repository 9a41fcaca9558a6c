import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startProxy } from '../test/support/proxy.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { through } from '../test/support/through.ts';
import { differences } from '../test/support/trees.ts';
import { isocketCommand, median, time } from './support.ts';

// `isocket restore --to` beside plain `rsync -a` back: the same files over the same connection, one after the other in each round, medians.
// Small files first, then one big file. KILLS=10: each also killed at every tenth, and resumed.
const [ROUNDS = 5, FILES = 10_000, BYTES = 4096, BIG_MIB = 1024, ROUND_TRIP_MS = 0, KILLS = 0] = process.argv
  .slice(2)
  .map(Number);
const TRANSPORT = process.env.TRANSPORT ?? 'sftp';

const MIB = 1024 * 1024;

/** What is at the destination: DC1 with small files, DC2 with a big one. */
const fillDestination = (path: string): void => {
  mkdirSync(`${path}/DC1`, { recursive: true });
  for (let file = 1; file <= FILES; file += 1) writeFileSync(`${path}/DC1/file-${file}`, randomBytes(BYTES));
  mkdirSync(`${path}/DC2`);
  const big = openSync(`${path}/DC2/big`, 'w');
  for (let written = 0; written < BIG_MIB; written += 1) writeSync(big, randomBytes(MIB));
  closeSync(big);
};

/** Bytes of files below a folder, whole or not. */
const bytesBelow = (path: string): number =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + (lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );

/** Kills a restore with -9 after each further share of all bytes, runs it to its end, and compares. */
const killAndResume = async (config: string, directory: string, source: string): Promise<void> => {
  const to = `${folder}/killed-${directory}`;
  mkdirSync(to);
  const all = bytesBelow(`${source}/${directory}`);
  const [file, ...args] = [...isocketCommand(), '--config', config, 'restore', directory, '--to', to, '--quiet'];
  let kills = 0;
  for (let share = 1; share < KILLS; share += 1) {
    const child = spawn(file, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    while (child.exitCode === null && bytesBelow(to) < (all * share) / KILLS) await Promise.race([ended, delay(5)]);
    if (child.exitCode === null) kills += 1;
    child.kill('SIGKILL');
    await ended;
  }
  await time([file, ...args], folder);
  const wrong = differences(`${to}/${directory}`, `${source}/${directory}`);
  if (wrong.length > 0) throw new Error(wrong[0]);
  console.log(`${TRANSPORT}, ${directory}: killed ${kills} times, and whole`);
  rmSync(to, { recursive: true });
};

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
try {
  await using server = await startSshd(folder);
  await using proxy = await startProxy(server.port, { delayMs: ROUND_TRIP_MS / 2 });
  const route = through(folder, server, ROUND_TRIP_MS > 0 ? proxy.port : server.port);
  const site = makeSite(folder, server, { destination: { transport: TRANSPORT, ...route } });
  fillDestination(server.folder);
  const ssh = `ssh -p ${route.port} -o UserKnownHostsFile=${route.knownHosts} -i ${server.identityFile}`;
  for (const directory of ['DC1', 'DC2']) {
    const seconds: { readonly isocket: number[]; readonly rsync: number[] } = { isocket: [], rsync: [] };
    for (let round = 1; round <= ROUNDS; round += 1) {
      const to = `${folder}/back-${directory}-${round}`;
      const plain = ['rsync', '-a', '-e', ssh, `root@127.0.0.1:${server.folder}/${directory}`, `${to}-rsync/`];
      const ours = [...isocketCommand(), '--config', site.config, 'restore', directory, '--to', to, '--quiet'];
      mkdirSync(`${to}-rsync`);
      seconds.isocket.push((await time(ours, folder)).seconds);
      seconds.rsync.push((await time(plain, folder)).seconds);
      const wrong = differences(`${to}/${directory}`, `${server.folder}/${directory}`);
      if (wrong.length > 0) throw new Error(wrong[0]);
      // Small files stay: to delete them would slow the next round down. See beginAnew.
      if (directory === 'DC2') for (const path of [to, `${to}-rsync`]) rmSync(path, { recursive: true });
    }
    if (KILLS > 0) await killAndResume(site.config, directory, server.folder);
    const [isocket, rsync] = [median(seconds.isocket), median(seconds.rsync)];
    const what = directory === 'DC1' ? `${FILES} files of ${BYTES} bytes` : `one file of ${BIG_MIB} MiB`;
    console.log(
      `${TRANSPORT}, ${what}, ${ROUND_TRIP_MS} ms, median of ${ROUNDS}: ` +
        `isocket restore ${isocket.toFixed(2)} s, rsync -a back ${rsync.toFixed(2)} s: ${(isocket / rsync).toFixed(2)} times`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
