import { execa } from 'execa';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** What every child of ours is given: bytes in and out, and an end with us. */
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
  /** Resolves when it is over; undefined where a signal ended it. Never rejects. */
  readonly ended: Promise<number | undefined>;
  /** SIGTERM, and SIGKILL where that does not help. */
  end(): void;
}

/** SIGTERM is given so long before SIGKILL. */
const KILL_AFTER_MS = 5_000;

/**
 * Starts a program: an argument array, never a shell. It dies with us, even where we are killed and can tell nobody: the
 * kernel sends it SIGTERM then (`setpriv`, util-linux 2.33; where it is missing, what is left over ends when its pipes do).
 */
export const startChild = (
  program: string,
  args: readonly string[],
  { env = {}, signal }: ChildOptions = {},
): Child => {
  const command = hasSetpriv() ? ['setpriv', '--pdeathsig', 'TERM', program, ...args] : [program, ...args];
  const [file = program, ...rest] = command;
  const child = execa(file, rest, {
    encoding: 'buffer',
    reject: false,
    buffer: false,
    stdin: 'pipe',
    extendEnv: false,
    env: { ...inheritedEnv(), ...env },
    forceKillAfterDelay: KILL_AFTER_MS,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  // What it could not be given any more is told by how it ended.
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

/** English messages, and nothing that changes what rsync does behind our back. */
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

/** Is there a program of that name? */
export const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? '/usr/bin:/bin').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

// More than any message needs; a program that floods stderr must not fill our memory.
const KEPT_BYTES = 256 * 1024;

/** Collects what a child says on stderr. */
export const collectStderr = (child: Child): (() => string) => {
  let text = '';
  child.stderr.setEncoding('latin1');
  child.stderr.on('data', (chunk: string) => {
    if (text.length < KEPT_BYTES) text += chunk;
  });
  return () => text;
};
