import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestSite } from './site.ts';

const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;

/** What the fault suite kills: with `['daemon', '--quiet']` here it is the daemon's turn. */
const COMMAND: readonly string[] = ['scan', '--quiet'];

export interface IsocketProcess {
  /** Resolves with the exit code, or null where it was killed. */
  readonly ended: Promise<number | null>;
  /** kill -9. False where it had ended by itself. */
  kill(): boolean;
}

/** `through` comes before the program: `faketime`, `prlimit` … */
export const startIsocket = (
  site: TestSite,
  { through = [], env = {} }: { readonly through?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {},
): IsocketProcess => {
  const [file = '', ...args] = [...through, process.execPath, CLI, '--config', site.config, ...COMMAND];
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } });
  return {
    ended: once(child, 'exit').then(([code]) => code as number | null),
    kill: () => child.exitCode === null && child.signalCode === null && child.kill('SIGKILL'),
  };
};
