import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** One run of a whole process. */
export interface Sample {
  readonly seconds: number;
  /** Processor time, user and system, of the process and of its children on this machine; not of the server's end. */
  readonly cpuSeconds: number | undefined;
  /** Peak resident memory of the largest of them, in MB. */
  readonly peakMb: number | undefined;
}

/** Without progress for so long a run is ended: no run here takes half of it. */
const LIMIT_MS = 10 * 60_000;

// Bash's own clock counts what a process and its awaited children took.
const TIMED = 'TIMEFORMAT="%R %U %S"; time "$@"';

/** Runs a whole process. @throws Error where it fails or does not end */
export const measure = async (command: readonly string[], cwd: string): Promise<Sample> => {
  const child = spawn('bash', ['-c', TIMED, 'bash', ...command], {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LIMIT_MS,
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = once(child, 'close');
  let peakKb = 0;
  while (child.exitCode === null && child.signalCode === null) {
    await Promise.race([ended, delay(50)]);
    peakKb = Math.max(peakKb, peakBelow(child.pid));
  }
  await ended;
  const [seconds = NaN, user = NaN, system = NaN] = (errors.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  if (child.exitCode !== 0 || Number.isNaN(system))
    throw new Error(`${command.join(' ')} ended with ${child.exitCode ?? child.signalCode}: ${errors}`);
  return { seconds, cpuSeconds: user + system, peakMb: peakKb / 1024 };
};

/** Peak memory (VmHWM) of the largest process below a shell, in KB. */
const peakBelow = (pid: number | undefined): number => {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean);
    const own = children.map((child) =>
      Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child}/status`, 'latin1'))?.[1] ?? 0),
    );
    return Math.max(0, ...own);
  } catch {
    return 0; // One of them has ended.
  }
};
