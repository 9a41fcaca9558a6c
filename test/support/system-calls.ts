import { CLI } from './cli.ts';
import { execa } from 'execa';
import { readFileSync } from 'node:fs';

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

export interface CallRunner {
  readonly config: string;
  readonly home: string;
}

const run = async ({ config, home }: CallRunner, strace: readonly string[], limitMs: number): Promise<CallOutcome> => {
  const command = [process.execPath, CLI, '--config', config, 'scan', '--quiet'];
  const [file = '', ...args] =
    strace.length === 0 ? command : ['strace', '-f', '--seccomp-bpf', ...strace, '--', ...command];
  const result = await execa(file, args, {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    extendEnv: false,
    env: { PATH: '/usr/bin:/bin', HOME: home },
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
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
