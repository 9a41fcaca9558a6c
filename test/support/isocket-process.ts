import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CLI } from './cli.ts';
import type { TestSite } from './site.ts';

export interface IsocketProcess {
  /** Resolves with the exit code, or null where it was killed. */
  readonly ended: Promise<number | null>;
  /** kill -9. False where it had already ended. */
  kill(): boolean;
}

export interface ProcessOptions {
  /** The command that runs. */
  readonly command?: 'scan' | 'daemon';
  /** A prefix of the command line: `faketime`, `prlimit` … */
  readonly through?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts isocket for tests that kill it. */
export const startIsocket = (
  site: TestSite,
  { command = 'scan', through = [], env = {} }: ProcessOptions = {},
): IsocketProcess => {
  const [file, ...args] = [...through, process.execPath, CLI, '--config', site.config, command, '--quiet'];
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } });
  return {
    ended: once(child, 'exit').then(([code]) => code as number | null),
    kill: () => child.exitCode === null && child.signalCode === null && child.kill('SIGKILL'),
  };
};
