import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startReceiverProcess } from '../test/support/receiver-process.ts';
import type { TestServer } from '../test/support/server.ts';
import { startSshd } from '../test/support/sshd.ts';
import { differences } from '../test/support/trees.ts';
import { isocketCommand, median, peakOf, time } from './support.ts';

// `isocket receive` beside OpenSSH's sftp-server: the same work by OpenSSH's sftp, one after the other in each round, medians.
const [ROUNDS = 3, BIG_MB = 1024, FILES = 5000, BYTES = 4096] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'isocket-bench-'));

/** One file at a time, each with the options that its users would give. */
const sftp = async (server: TestServer, commands: string): Promise<number> => {
  writeFileSync(`${folder}/batch`, `${commands}\n`);
  const options = ['-F', 'none', '-i', server.identityFile, '-o', `UserKnownHostsFile=${server.knownHosts}`, '-q'];
  const command = ['sftp', ...options, '-P', String(server.port), '-b', `${folder}/batch`, 'root@127.0.0.1'];
  return (await time(command, folder)).seconds;
};

const rssOf = (pid: number): number =>
  Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;

try {
  for (const name of ['openssh', 'isocket', 'source/small', 'back'])
    mkdirSync(`${folder}/${name}`, { recursive: true });
  await using openssh = await startSshd(`${folder}/openssh`);
  await using isocket = await startReceiverProcess(`${folder}/isocket`, { command: isocketCommand() });
  const chunk = randomBytes(1024 * 1024);
  for (let mb = 0; mb < BIG_MB; mb += 1) writeFileSync(`${folder}/source/big`, chunk, { flag: 'a' });
  for (let file = 1; file <= FILES; file += 1) writeFileSync(`${folder}/source/small/file-${file}`, randomBytes(BYTES));
  const before = rssOf(isocket.pid);
  const work: Readonly<Record<string, (server: TestServer) => string>> = {
    [`put of ${BIG_MB} MiB`]: ({ path }) => `put ${folder}/source/big ${path}/big`,
    [`get of ${BIG_MB} MiB`]: ({ path }) => `get ${path}/big ${folder}/back/big`,
    [`put of ${FILES} × ${BYTES} bytes`]: ({ path }) => `put -r ${folder}/source/small ${path}/`,
  };
  for (const [name, commandsFor] of Object.entries(work)) {
    const seconds: { readonly openssh: number[]; readonly isocket: number[] } = { openssh: [], isocket: [] };
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const server of [openssh, isocket]) {
        if (name.startsWith('put')) {
          rmSync(server.folder, { recursive: true });
          mkdirSync(server.folder);
        }
        seconds[server === openssh ? 'openssh' : 'isocket'].push(await sftp(server, commandsFor(server)));
      }
    }
    const [theirs, ours] = [median(seconds.openssh), median(seconds.isocket)];
    console.log(
      `${name}, median of ${ROUNDS}: sftp-server ${theirs.toFixed(2)} s, isocket receive ${ours.toFixed(2)} s: ` +
        `${(theirs / ours).toFixed(2)} × its speed; memory ${rssOf(isocket.pid).toFixed(0)} MB, peak ${(peakOf(isocket.pid) / 1024).toFixed(0)} MB (${before.toFixed(0)} MB at the start)`,
    );
  }
  const wrong = differences(`${folder}/source/small`, `${isocket.folder}/small`, { contentOnly: true });
  if (wrong.length > 0) throw new Error(wrong[0]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
