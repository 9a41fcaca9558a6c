import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { HookCommand } from '../../config/config.ts';
import { plainMessage } from '../../errors.ts';
import { CHILD_OPTIONS } from '../../host/child-options.ts';

export interface RunOptions {
  /** What it reads. */
  readonly input: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** It is ended at once. */
  readonly signal: AbortSignal;
}

export interface CommandEnd {
  /** undefined: it ended with 0. */
  readonly failure: string | undefined;
  /** It was ended by the signal. */
  readonly isStopped: boolean;
  /** The last lines of what it printed. */
  readonly output: string;
}

/** Whoever prints more than that is ended: to read on would cost the transfers processor time. */
const MOST_OUTPUT_BYTES = 1024 * 1024;
const KEPT_OUTPUT_BYTES = 2048;
const STOPPED = 'it was ended with isocket';
const KILL_AFTER_MS = 3000;
/** What a command left running may hold its output open. */
const OUTPUT_AFTER_END_MS = 500;

/** Runs a command of the user's: a process group of its own, which is ended at its limit. Never rejects. */
export const runCommand = async (command: HookCommand, options: RunOptions): Promise<CommandEnd> => {
  const { input, env, timeoutMs, signal } = options;
  const [file = '', ...args] = typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
  let child: ChildProcess;
  try {
    child = spawn(file, args, { ...CHILD_OPTIONS, env, stdio: 'pipe' });
  } catch (error) {
    return { failure: `it cannot be started: ${plainMessage(error)}`, isStopped: false, output: '' }; // No memory, no descriptors.
  }
  const end = Promise.withResolvers<string | undefined>();
  let reason: string | undefined;
  const stop = (why: string): void => {
    if (reason !== undefined) return;
    reason = why;
    void killGroup(child).then(() => end.resolve(undefined));
  };
  const output = collect(child, () => stop('it printed more than 1 MB, and was ended'));
  child.once('error', (error) => end.resolve(`it cannot be started: ${plainMessage(error)}`));
  child.once('exit', (code, name) =>
    end.resolve(code === 0 ? undefined : `it ended with ${name ?? `exit code ${code}`}`),
  );
  child.stdin?.on('error', () => undefined); // It need not read.
  child.stdin?.end(input);
  const timer = setTimeout(
    () => stop(`it took longer than hooks.timeout, ${timeoutMs / 1000} s, and was ended`),
    timeoutMs,
  );
  const onAbort = (): void => stop(STOPPED);
  signal.addEventListener('abort', onAbort, { once: true });
  const onExit = (): void => sendSignal(child, 'SIGKILL');
  process.once('exit', onExit); // A second signal ends us at once.
  if (signal.aborted) onAbort();
  const failure = await end.promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', onAbort);
  process.off('exit', onExit);
  return { failure: reason ?? failure, isStopped: reason === STOPPED, output: await output() };
};

/** Resolves when the group is gone, or will not go. */
const killGroup = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, 'exit').catch(() => undefined);
  const waited = new AbortController();
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    sendSignal(child, signal);
    await Promise.race([
      gone,
      delay(KILL_AFTER_MS, undefined, { signal: waited.signal, ref: false }).catch(() => undefined),
    ]);
  }
  waited.abort();
};

const sendSignal = ({ pid }: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It is gone.
  }
};

/** Reads what it prints; the function that is returned resolves with the last of it, once it has ended. */
const collect = (child: ChildProcess, tooMuch: () => void): (() => Promise<string>) => {
  const { stdout, stderr } = child;
  let kept = Buffer.alloc(0);
  let bytes = 0;
  const streams = [stdout, stderr].filter((stream) => stream !== null);
  const discard = (): void => streams.forEach((stream) => stream.destroy());
  const ended = Promise.allSettled(streams.map((stream) => once(stream, 'close')));
  for (const stream of streams) {
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      kept = Buffer.concat([kept, chunk]).subarray(-KEPT_OUTPUT_BYTES);
      if (bytes <= MOST_OUTPUT_BYTES) return;
      discard();
      tooMuch();
    });
  }
  return async () => {
    const waited = new AbortController();
    await Promise.race([
      ended,
      delay(OUTPUT_AFTER_END_MS, undefined, { signal: waited.signal }).catch(() => undefined),
    ]);
    waited.abort();
    discard();
    return kept.toString().trim();
  };
};
