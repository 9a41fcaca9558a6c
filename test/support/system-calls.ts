import { CLI } from './cli.ts';
import { execa } from 'execa';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What a call may fail with that a sick host lets it fail with. Not epoll_ctl: there Node itself aborts. */
export const FAULTS: Readonly<Record<string, readonly string[]>> = {
  openat: ['EIO', 'EACCES', 'EMFILE', 'ENOTCONN', 'EINTR'],
  read: ['EIO', 'EINTR'],
  pread64: ['EIO'],
  write: ['EIO', 'ENOSPC'],
  pwrite64: ['EIO', 'ENOSPC'],
  writev: ['EPIPE', 'ECONNRESET'],
  fsync: ['EIO', 'ENOSPC'],
  ftruncate: ['EIO'],
  rename: ['EIO', 'ENOSPC', 'EACCES'],
  fchmod: ['EIO', 'EPERM'],
  unlink: ['EIO', 'EACCES'],
  mkdir: ['EIO', 'ENOSPC', 'EACCES'],
  getdents64: ['EIO', 'ENOTCONN'],
  statx: ['EIO', 'EACCES', 'ENOTCONN'],
  newfstatat: ['EIO', 'ENOTCONN'],
  readlink: ['EIO'],
  socket: ['EMFILE', 'ENOBUFS'],
  connect: ['ENETUNREACH', 'EACCES'],
  bind: ['EACCES', 'EIO'],
  listen: ['EIO'],
  epoll_pwait: ['EINTR'],
};

/** One call of the main thread, counted from 1 among those of its name. */
export interface CallPoint {
  readonly call: string;
  readonly nth: number;
  /** As strace shows it. */
  readonly text: string;
}

export interface CallOutcome {
  readonly exitCode: number | undefined;
  readonly isKilled: boolean;
  readonly isTooLong: boolean;
  readonly stderr: string;
}

/** A daemon runs until the proof is there, and is then ended by SIGTERM. */
export type SweptCommand = 'scan' | 'daemon';

export interface CallRunner {
  readonly command: SweptCommand;
  /** finished.watch: the daemon has done all. */
  readonly proof: string;
  readonly config: string;
  readonly home: string;
}

/** Ends a daemon when all is done, or when it is too late for that. strace would leave it behind. */
const endWhenDone = async (
  pid: number | undefined,
  proof: string,
  isTraced: boolean,
  limitMs: number,
): Promise<void> => {
  const lateMs = performance.now() + limitMs;
  const isThere = (): boolean => existsSync(`/proc/${pid}/stat`);
  while (!existsSync(proof) && isThere() && performance.now() < lateMs) await delay(50);
  if (pid === undefined || !isThere()) return;
  const daemon = isTraced ? Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')[0]) : pid;
  try {
    if (daemon > 0) process.kill(daemon, 'SIGTERM');
  } catch {
    // It has ended.
  }
};

const run = async (
  { config, home, command: name, proof }: CallRunner,
  strace: readonly string[],
  limitMs: number,
): Promise<CallOutcome> => {
  const command = [process.execPath, CLI, '--config', config, name, '--quiet'];
  const [file = '', ...args] =
    strace.length === 0 ? command : ['strace', '-f', '--seccomp-bpf', ...strace, '--', ...command];
  const running = execa(file, args, {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    extendEnv: false,
    env: { PATH: '/usr/bin:/bin', HOME: home },
    timeout: name === 'daemon' ? 2 * limitMs : limitMs,
    killSignal: 'SIGKILL',
  });
  if (name === 'daemon') await endWhenDone(running.pid, proof, strace.length > 0, limitMs);
  const result = await running;
  const { exitCode, stderr, timedOut, signal } = result;
  return { exitCode, stderr, isTooLong: timedOut, isKilled: signal === 'SIGKILL' && !timedOut };
};

export const runPlainly = (runner: CallRunner, limitMs: number): Promise<CallOutcome> => run(runner, [], limitMs);

/** Runs once with tracing: the calls of the main thread that concern the site (or a socket), in their order. */
export const traceCalls = async (runner: CallRunner, log: string): Promise<CallPoint[]> => {
  await run(runner, ['-y', '-s', '200', '-o', log, '-e', `trace=${Object.keys(FAULTS).join(',')}`], 120_000);
  const counts = new Map<string, number>();
  const points: CallPoint[] = [];
  let main: string | undefined;
  for (const line of readFileSync(log, 'latin1').split('\n')) {
    const [, pid, call = '', rest = ''] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? [];
    main ??= pid;
    if (pid === undefined || pid !== main || FAULTS[call] === undefined) continue;
    const nth = (counts.get(call) ?? 0) + 1;
    counts.set(call, nth);
    if (rest.includes('.ts>')) continue; // Node reads the program itself, and ends without it.
    if (rest.includes(runner.home) || /socket:|AF_UNIX|AF_INET|epoll/.test(call + rest))
      points.push({ call, nth, text: rest });
  }
  return points;
};

/** Runs with one call failing, or with the process killed in it. */
export const runWithFault = (
  runner: CallRunner,
  { call, nth }: CallPoint,
  fault: string,
  limitMs: number,
): Promise<CallOutcome> => {
  const what = fault === 'SIGKILL' ? 'signal=KILL' : `error=${fault}`;
  return run(runner, ['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${what}:when=${nth}`], limitMs);
};
