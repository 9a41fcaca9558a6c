import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestServer } from '../test/support/server.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { differences } from '../test/support/trees.ts';
import { measureLatency, show, until, type Latencies } from './latency.ts';
import { median } from './support.ts';

// Latency of one file from its writer's close to its final name at the destination, and to its mark at the source. The bench
// watches both folders by inotify (fs.watch), so the kernel's notification delay is included for both tools.
const [FILES = 200, EVERY_MS = 50, BYTES = 4096] = process.argv.slice(2, 5).map(Number);
/** `sftp` is compared with lsyncd; `rsync` is measured alone. */
const TRANSPORT = process.argv[5] ?? 'sftp';
const LSYNCD_EVERY_MS = 400;

const folder = mkdtempSync(join(tmpdir(), 'isocket-live-'));
try {
  // Without the start-up files of this account's shell, which every run of rsync would wait for.
  await using server = await startSshd(folder, { config: [`SetEnv HOME=${folder}`] });
  const load = loadavg()[0] ?? 0;
  console.log(
    `one file of ${BYTES} bytes every ${EVERY_MS} ms, ${FILES} files; load ${load.toFixed(1)} at the start; milliseconds after the close:`,
  );
  const isocket = await measureIsocket(server);
  show('isocket: under its final name', isocket.visible);
  show('isocket: and marked', isocket.marked);
  if (TRANSPORT === 'sftp') {
    const lsyncd = await measureLsyncd(server);
    show('lsyncd: under its final name', lsyncd.visible);
    console.log(`isocket/lsyncd, medians: ${(median(isocket.visible) / median(lsyncd.visible)).toFixed(3)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measureIsocket(server: TestServer): Promise<Latencies> {
  const site = makeSite(folder, server, {
    source: { settle: '2s', superseded: '30s' },
    destination: { transport: TRANSPORT },
  });
  const [source, destination] = [`${site.root}/DC1`, `${server.folder}/DC1`];
  mkdirSync(source);
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'watching');
  // The first file includes the start of the watch and the connection: it is not measured.
  writeFileSync(`${source}/first`, '');
  await daemon.event(({ type }) => type === 'sent');
  const latencies = await measureLatency(source, destination, {
    files: FILES,
    bytes: BYTES,
    everyMs: EVERY_MS,
    marks: true,
  });
  const wrong = differences(source, destination);
  if (wrong.length > 0) throw new Error(wrong[0]);
  await daemon.stop();
  return latencies;
}

/**
 * At its quickest: no delay, one ssh connection that all its runs of rsync share, and a pace that they keep up with (what comes quicker
 * queues). With `delay = 0` alone it acts on the alarm after next, which may be seconds away; `maxDelays = 1` makes it act at once.
 */
async function measureLsyncd({ port, identityFile, knownHosts, folder: target }: TestServer): Promise<Latencies> {
  const [source, destination] = [`${folder}/lsyncd`, `${target}/lsyncd`];
  const socket = `${folder}/master`;
  mkdirSync(source);
  mkdirSync(destination);
  writeFileSync(
    `${folder}/lsyncd.lua`,
    `settings { nodaemon = true, logfile = "${folder}/lsyncd.log" }
sync {
  default.rsyncssh,
  source = "${source}", host = "root@127.0.0.1", targetdir = "${destination}", delay = 0, maxDelays = 1,
  ssh = { port = ${port}, identityFile = "${identityFile}",
          options = { UserKnownHostsFile = "${knownHosts}", ControlMaster = "no", ControlPath = "${socket}" } },
  rsync = { archive = true },
}
`,
  );
  const login = ['-i', identityFile, '-p', String(port), '-o', `UserKnownHostsFile=${knownHosts}`];
  await using master = start('ssh', ['-M', '-S', socket, '-N', ...login, 'root@127.0.0.1']);
  await until(() => existsSync(socket), master.child);
  await using lsyncd = start('lsyncd', ['-nodaemon', `${folder}/lsyncd.lua`]);
  writeFileSync(`${source}/first`, '');
  await until(() => existsSync(`${destination}/first`), lsyncd.child);
  await until(() => readFileSync(`${folder}/lsyncd.log`, 'utf8').includes('finished'), lsyncd.child);
  return await measureLatency(source, destination, {
    files: Math.ceil(FILES / 4),
    bytes: BYTES,
    everyMs: LSYNCD_EVERY_MS,
    marks: false,
  });
}

/** Disposing of it ends the program. */
function start(file: string, args: readonly string[]): AsyncDisposable & { readonly child: ChildProcess } {
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  return {
    child,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
