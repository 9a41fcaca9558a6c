import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProxy } from '../test/support/proxy.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { through } from '../test/support/through.ts';
import { differences } from '../test/support/trees.ts';
import { beginAnew, fill, median, time, isocketCommand } from './support.ts';

// `transport: rsync` beside plain rsync: the same work over the same connection, one after the other in each round, medians.
const [ROUNDS = 5, DIRECTORIES = 10, FILES = 1000, BYTES = 4096, ROUND_TRIP_MS = 0] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
try {
  await using server = await startSshd(folder);
  await using proxy = await startProxy(server.port, { delayMs: ROUND_TRIP_MS / 2 });
  const route = through(folder, server, ROUND_TRIP_MS > 0 ? proxy.port : server.port);
  const site = makeSite(folder, server, {
    source: { settle: '2s' },
    destination: { transport: 'rsync', ...route },
  });
  fill(site.root, DIRECTORIES, FILES, BYTES);
  const ssh = `ssh -p ${route.port} -o UserKnownHostsFile=${route.knownHosts} -i ${server.identityFile}`;
  // -W: whole files, without the delta algorithm; nothing exists at the destination to compare with.
  const plain = ['rsync', '-a', '-W', '-e', ssh, `${site.root}/`, `root@127.0.0.1:${server.folder}/`];
  const ours = [...isocketCommand(), '--config', site.config, 'scan', '--quiet'];
  const seconds: { readonly isocket: number[]; readonly rsync: number[] } = { isocket: [], rsync: [] };
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, command] of [
      ['isocket', ours],
      ['rsync', plain],
    ] as const) {
      beginAnew(site, server.folder);
      seconds[name].push((await time(command, folder)).seconds);
      if (name !== 'isocket') continue;
      const wrong = differences(site.root, server.folder);
      if (wrong.length > 0) throw new Error(wrong[0]);
    }
  }
  const [isocket, rsync] = [median(seconds.isocket), median(seconds.rsync)];
  console.log(
    `${DIRECTORIES} × ${FILES} files of ${BYTES} bytes, ${ROUND_TRIP_MS} ms, median of ${ROUNDS}: ` +
      `isocket ${isocket.toFixed(2)} s, rsync -a ${rsync.toFixed(2)} s: ${(isocket / rsync).toFixed(2)} times`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
