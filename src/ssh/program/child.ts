import { execa } from 'execa';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { CHILD_OPTIONS } from '../../child-options.ts';

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Child {
  /** undefined: it could not be started. */
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The exit code once the process has ended; undefined: killed by a signal. Never rejects. */
  readonly ended: Promise<number | undefined>;
  /** Sends SIGTERM, and SIGKILL `KILL_AFTER_MS` later. */
  end(): void;
}

const KILL_AFTER_MS = 5_000;

/**
 * Starts a program from an argument array, never through a shell. It ends with this process, even after `kill -9`: `setpriv`
 * (util-linux 2.33) makes the kernel send it SIGTERM. Where `setpriv` is missing, it ends when its pipes close.
 */
export const startChild = (
  program: string,
  args: readonly string[],
  { env = {}, signal }: ChildOptions = {},
): Child => {
  const command = hasSetpriv() ? ['setpriv', '--pdeathsig', 'TERM', program, ...args] : [program, ...args];
  const [file = program, ...rest] = command;
  const child = execa(file, rest, {
    ...CHILD_OPTIONS,
    encoding: 'buffer',
    reject: false,
    buffer: false,
    stdin: 'pipe',
    extendEnv: false,
    env: { ...inheritedEnv(), ...env },
    forceKillAfterDelay: KILL_AFTER_MS,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  // EPIPE after the child ended: its exit code and stderr report the reason.
  child.stdin.on('error', () => undefined);
  return {
    pid: child.pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended: child.then(({ exitCode }) => exitCode),
    end: () => {
      child.kill('SIGTERM');
    },
  };
};

/** LC_ALL=C: messages are matched in English. RSYNC_* variables would change rsync's options. */
const inheritedEnv = (): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined || key.startsWith('RSYNC_') || key.startsWith('LC_') ? [] : [[key, value]],
    ),
  ),
  LC_ALL: 'C',
});

let setpriv: boolean | undefined;
const hasSetpriv = (): boolean => (setpriv ??= isOnPath('setpriv'));

/** Whether an executable of that name is on PATH. */
export const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? '/usr/bin:/bin').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

// Bounds memory when a child floods stderr.
const MAX_STDERR_CHARS = 256 * 1024;

/** Collects stderr as latin1; the returned function gives what has come so far. */
export const collectStderr = (child: Child): (() => string) => {
  let text = '';
  child.stderr.setEncoding('latin1');
  child.stderr.on('data', (chunk: string) => {
    if (text.length < MAX_STDERR_CHARS) text += chunk;
  });
  return () => text;
};
