import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestServer } from '../test/support/server.ts';
import { makeSite } from '../test/support/site.ts';
import { startSshd } from '../test/support/sshd.ts';
import { differences } from '../test/support/trees.ts';
import { median, percentile } from './support.ts';

// Latency of one file from its writer's close to its final name at the destination, and to its mark at the source. The bench
// watches both folders by inotify (fs.watch), so the kernel's notification delay is included for both tools.
const [FILES = 200, EVERY_MS = 50, BYTES = 4096] = process.argv.slice(2, 5).map(Number);
/** `sftp` is compared with lsyncd; `rsync` is measured alone. */
const TRANSPORT = process.argv[5] ?? 'sftp';
const LSYNCD_EVERY_MS = 400;
const MARK = 0o020;
const LIMIT_MS = 60_000;

interface Latencies {
  /** Milliseconds since the close, of each file. */
  readonly visible: number[];
  readonly marked: number[];
}

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
  const latencies = await measure(source, destination, { files: FILES, everyMs: EVERY_MS, marks: true });
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
  return await measure(source, destination, { files: Math.ceil(FILES / 4), everyMs: LSYNCD_EVERY_MS, marks: false });
}

/** Writes the files at their pace, and waits until each has arrived. */
async function measure(
  source: string,
  destination: string,
  { files, everyMs, marks }: { readonly files: number; readonly everyMs: number; readonly marks: boolean },
): Promise<Latencies> {
  const closedAt = new Map<string, number>();
  const visibleAt = new Map<string, number>();
  const markedAt = new Map<string, number>();
  const note = (times: Map<string, number>, name: string | null): void => {
    if (name !== null && closedAt.has(name) && !times.has(name)) times.set(name, performance.now());
  };
  using stack = new DisposableStack();
  for (const [path, hear] of [
    [destination, (name: string | null) => note(visibleAt, name)],
    [source, (name: string | null) => name !== null && isMarked(`${source}/${name}`) && note(markedAt, name)],
  ] as const) {
    const watching = watch(path, (_event, name) => void hear(name));
    stack.defer(() => watching.close());
  }
  const content = randomBytes(BYTES);
  const started = performance.now();
  for (let file = 1; file <= files; file += 1) {
    await delay(Math.max(0, started + file * everyMs - performance.now()));
    const name = `file-${file}`;
    const descriptor = openSync(`${source}/${name}`, 'w', 0o644);
    writeSync(descriptor, content);
    closeSync(descriptor);
    closedAt.set(name, performance.now());
  }
  writeFileSync(`${source}/last`, '');
  await until(() => visibleAt.size === files && (!marks || markedAt.size === files));
  const since = (times: Map<string, number>): number[] =>
    [...times].map(([name, time]) => time - (closedAt.get(name) ?? NaN));
  return { visible: since(visibleAt), marked: since(markedAt) };
}

function isMarked(path: string): boolean {
  return ((lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0) & MARK) !== 0;
}

function show(what: string, values: readonly number[]): void {
  const numbers = { median: median(values), p99: percentile(values, 0.99), most: Math.max(...values) };
  const shown = Object.entries(numbers).map(([name, value]) => `${name} ${value.toFixed(1)}`);
  console.log(`${what.padEnd(32)} ${shown.join('  ')}`);
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

async function until(holds: () => boolean, child?: ChildProcess): Promise<void> {
  const started = performance.now();
  while (!holds()) {
    if (child !== undefined && child.exitCode !== null) throw new Error(`${child.spawnfile} ended`);
    if (performance.now() - started > LIMIT_MS) throw new Error(`waited in vain for ${LIMIT_MS / 1000} s`);
    await delay(5);
  }
}
