import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { differences } from '../test/support/trees.ts';
import { beginAnew, fill, median, time, type Run, isocketCommand } from './support.ts';

// A backlog of small files: isocket beside rsync and sftp. Whole processes, one after the other in each round, medians.
const [ROUNDS = 5, DIRECTORIES = 10, FILES = 1000, BYTES = 4096] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));
try {
  await using server = await startSshd(folder);
  const site = makeSite(folder, server, { source: { settle: '2s' } });
  fill(site.root, DIRECTORIES, FILES, BYTES);
  const ssh = ['-o', `UserKnownHostsFile=${server.knownHosts}`, '-i', server.identityFile];
  writeFileSync(`${folder}/batch`, `put -r ${site.root}/. ${server.folder}\n`);
  const commands: Readonly<Record<string, readonly string[]>> = {
    isocket: [...isocketCommand(), '--config', site.config, 'scan', '--quiet'],
    'rsync -a': [
      'rsync',
      '-a',
      '-e',
      `ssh -p ${server.port} ${ssh.join(' ')}`,
      `${site.root}/`,
      `root@127.0.0.1:${server.folder}/`,
    ],
    'sftp -b': ['sftp', '-q', ...ssh, '-P', String(server.port), '-b', `${folder}/batch`, 'root@127.0.0.1'],
  };
  const runs = new Map<string, Run[]>(Object.keys(commands).map((name) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, command] of Object.entries(commands)) {
      beginAnew(site, server.folder);
      runs.get(name)?.push(await time(command, folder));
      if (name !== 'isocket') continue;
      for (const directory of readdirSync(site.root)) {
        const wrong = differences(`${site.root}/${directory}`, `${server.folder}/${directory}`);
        if (wrong.length > 0) throw new Error(`${directory}: ${wrong[0] ?? ''}`);
      }
    }
  }
  const reference = median((runs.get('isocket') ?? []).map(({ seconds }) => seconds));
  console.log(`${DIRECTORIES} × ${FILES} files of ${BYTES} bytes, median of ${ROUNDS}:`);
  for (const [name, all] of runs) {
    const seconds = median(all.map((run) => run.seconds));
    const peak = Math.max(...all.map(({ peakMb }) => peakMb));
    console.log(
      `${name.padEnd(10)} ${seconds.toFixed(2)} s  isocket/it ${(reference / seconds).toFixed(2)}  peak ${peak.toFixed(0)} MB`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
