import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { TestServer } from '../test/support/server.ts';
import { makeSite } from '../test/support/site.ts';
import { differences } from '../test/support/trees.ts';
import { measureLatency, until, type Latencies, type LatencyOptions } from './latency.ts';

export interface LiveOptions extends Pick<LatencyOptions, 'files' | 'bytes' | 'everyMs'> {
  readonly transport: string;
}

const LSYNCD_EVERY_MS = 400;

export async function measureIsocket(folder: string, server: TestServer, how: LiveOptions): Promise<Latencies> {
  const site = makeSite(folder, server, {
    source: { settle: '2s', superseded: '30s' },
    destination: { transport: how.transport },
  });
  const [source, destination] = [`${site.root}/DC1`, `${server.folder}/DC1`];
  mkdirSync(source);
  await using daemon = site.start(['daemon']);
  await daemon.event(({ type }) => type === 'watching');
  // The first file includes the start of the watch and the connection: it is not measured.
  writeFileSync(`${source}/first`, '');
  await daemon.event(({ type }) => type === 'sent');
  const latencies = await measureLatency(source, destination, { ...how, marks: true });
  const wrong = differences(source, destination);
  if (wrong.length > 0) throw new Error(wrong[0]);
  await daemon.stop();
  return latencies;
}

/**
 * At its quickest: no delay, one ssh connection that all its runs of rsync share, and a pace that they keep up with (what comes quicker
 * queues). With `delay = 0` alone it acts on the alarm after next, which may be seconds away; `maxDelays = 1` makes it act at once.
 */
export async function measureLsyncd(folder: string, server: TestServer, how: LiveOptions): Promise<Latencies> {
  const { port, identityFile, knownHosts, folder: target } = server;
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
    files: Math.ceil(how.files / 4),
    bytes: how.bytes,
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
