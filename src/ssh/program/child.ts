import { execa } from 'execa';
import { accessSync, constants } from 'node:fs';
import { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { systemErrorCode } from '../../errors.ts';
import { CHILD_OPTIONS } from '../../host/child-options.ts';

export interface ChildOptions {
  /** undefined: not inherited. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

export interface Child {
  /** undefined: it could not be started. */
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The exit code once the process has ended and its output has been read; undefined: killed by a signal. Never rejects. */
  readonly ended: Promise<number | undefined>;
  /** Sends SIGTERM to it and to what it has started, and SIGKILL `KILL_AFTER_MS` later. Harmless when repeated. */
  end(): void;
}

const KILL_AFTER_MS = 5_000;
/** A process that it has started, and that goes on, may hold its output open: what it wrote itself is read long before. */
const OUTPUT_AFTER_EXIT_MS = 1_000;

/**
 * Starts a program from an argument array, never through a shell, in a process group of its own: a Ctrl-C in the terminal is isocket's
 * to handle. It ends with this process, even after `kill -9`: `setpriv` (util-linux 2.33) makes the kernel send it SIGTERM. Where
 * `setpriv` is missing, it ends when its pipes close.
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
  });
  // EPIPE after the child ended: its exit code and stderr report the reason.
  child.stdin.on('error', () => undefined);
  const { pid } = child;
  const end = endGroup(pid);
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted === true) end();
  child.nodeChildProcess.once('exit', () => {
    signal?.removeEventListener('abort', end);
    groups.delete(pid);
    closeWhenRead([child.stdout, child.stderr], () => {
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    });
  });
  return {
    pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended: child.then(({ exitCode }) => exitCode),
    end,
  };
};

/** Calls `close` when nothing was read for a while: a process that the child has left behind may hold the pipes for ever. */
const closeWhenRead = (outputs: readonly Readable[], close: () => void, before = -1): void => {
  const check = (): void => {
    const read = outputs.reduce((sum, output) => sum + (output instanceof Socket ? output.bytesRead : 0), 0);
    if (read === before) close();
    else closeWhenRead(outputs, close, read);
  };
  // A timer runs before what has come meanwhile is read.
  setTimeout(() => setImmediate(check), OUTPUT_AFTER_EXIT_MS / 2).unref();
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

/** The children that run. */
const groups = new Set<number | undefined>();
process.on('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGTERM');
});

const endGroup = (pid: number | undefined): (() => void) => {
  if (pid === undefined) return () => undefined;
  groups.add(pid);
  let isEnding = false;
  return () => {
    if (isEnding || !groups.has(pid)) return;
    isEnding = true;
    signalGroup(pid, 'SIGTERM');
    setTimeout(() => {
      if (groups.has(pid)) signalGroup(pid, 'SIGKILL');
    }, KILL_AFTER_MS).unref();
  };
};

const signalGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error; // ESRCH: it has ended.
  }
};

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
