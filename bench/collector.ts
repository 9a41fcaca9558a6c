import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childrenOf } from '../test/support/children-of.ts';
import { proportionalMbOf } from '../test/support/process-memory.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { fill, isocketCommand, time } from './support.ts';

// What one site costs the collector's sshd: the processor time of a login and of a file, the memory of a connection that stays (docs/scale.md).
const [LOGINS = 40, FILES = 5000, BYTES = 4096] = process.argv.slice(2).map(Number);
const TICKS_PER_SECOND = 100;

/** Of a process and of its children that have ended. */
const processorMsOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  return (fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * 1000) / TICKS_PER_SECOND;
};

const folder = mkdtempSync(join(tmpdir(), 'isocket-collector-'));
try {
  await using server = await startSshd(folder);
  const pid = Number(readFileSync(`${folder}/sshd/pid`, 'utf8'));
  const spent = async (work: () => Promise<unknown>): Promise<number> => {
    const before = processorMsOf(pid);
    await work();
    return processorMsOf(pid) - before;
  };
  const options = ['-F', 'none', '-i', server.identityFile, '-o', `UserKnownHostsFile=${server.knownHosts}`, '-q'];
  const login = () =>
    execa('sftp', [...options, '-P', String(server.port), '-b', '-', 'root@127.0.0.1'], { input: '' });
  const loginMs =
    (await spent(async () => {
      for (let count = 0; count < LOGINS; count += 1) await login();
    })) / LOGINS;
  console.log(`a login with a channel: ${loginMs.toFixed(1)} ms`);
  for (const durable of [false, true]) {
    const site = makeSite(folder, server, { name: `site-${durable}`, more: { send: { durable } } });
    fill(site.root, 1, FILES, BYTES);
    const command = [...isocketCommand(), '--config', site.config, 'scan', '--quiet'];
    const ms = (await spent(() => time(command, folder))) - loginMs;
    console.log(`a file of ${BYTES} bytes, ${durable ? '' : 'not '}durable: ${(ms / FILES).toFixed(3)} ms`);
    for (const directory of readdirSync(server.folder)) rmSync(`${server.folder}/${directory}`, { recursive: true });
  }
  const site = makeSite(folder, server, { name: 'daemon' });
  mkdirSync(`${site.root}/DC1`);
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'watching');
  for (let file = 1; file <= 20; file += 1) {
    writeFileSync(`${site.root}/DC1/file-${file}`, 'x');
    await daemon.event((event) => event.type === 'sent' && event.path === `DC1/file-${file}`);
  }
  const all = [...(await childrenOf(pid, 'sshd')), ...(await childrenOf(pid, 'sftp-server'))];
  console.log(`the connection of a daemon: ${all.length} processes, ${proportionalMbOf(all).toFixed(1)} MB`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
