import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemErrorCode } from '../errors.ts';
import { fsPath, showName, type Name } from '../name.ts';
import type { FolderWatch, OnFileEvent, ReportFailure } from './file-events.ts';
import { createRecordReader } from './inotify-records.ts';
import { reachedLimit, type ReachedLimit } from './inotify-limits.ts';
import { spawnInotifywait, type InotifywaitProgram } from './inotifywait-program.ts';

export interface InotifywaitOptions {
  readonly program: InotifywaitProgram;
  readonly reportFailure: ReportFailure;
  readonly reportLimit: (limit: ReachedLimit) => void;
  /** Restart delay in milliseconds: the first one, doubled each time up to `most`. */
  readonly restartMs?: { readonly first: number; readonly most: number };
}

/** How one run of the program ended. `upMs`: how long its watch was established. */
interface Ending {
  readonly why: 'gone' | 'limit' | 'died' | 'stopped';
  readonly output: string;
  readonly wasUp: boolean;
  readonly upMs: number;
}

const RESTART_MS = { first: 100, most: 30_000 };
/** A reached limit is the host's state: retry slowly. */
const LIMIT_RETRY_MS = 60_000;
/** A run of this length did not fail at its start: the delay starts over. */
const HEALTHY_UPTIME_MS = 10_000;

/** One `inotifywait` for one folder, restarted when it dies. */
export const watchWithInotifywait = (
  folder: Name,
  { program, reportFailure, reportLimit, restartMs = RESTART_MS }: InotifywaitOptions,
  onEvent: OnFileEvent,
): FolderWatch => {
  const stop = new AbortController();
  const ready = Promise.withResolvers<undefined>();
  let isUp = false;
  let wasEverUp = false;

  const onUp = (): void => {
    isUp = true;
    onEvent({ kind: 'rescan', path: '', why: wasEverUp ? 'restart' : 'ready' });
    wasEverUp = true;
    ready.resolve(undefined);
  };

  const run = async (): Promise<void> => {
    let waitMs = restartMs.first;
    while (!stop.signal.aborted) {
      const ending = await runOnce(folder, program, stop.signal, onUp, onEvent);
      isUp = false;
      if (ending.why === 'stopped') return;
      if (ending.why === 'gone') {
        ready.resolve(undefined);
        onEvent({ kind: 'gone' });
        return;
      }
      if (ending.upMs > HEALTHY_UPTIME_MS) waitMs = restartMs.first;
      if (ending.why === 'limit') {
        reportLimit(reachedLimit(ending.output) ?? 'instances');
        waitMs = LIMIT_RETRY_MS;
      } else {
        const state = ending.wasUp ? 'it ended' : ending.output || 'it did not start';
        reportFailure(
          `Cannot watch "${showName(folder)}": inotifywait: ${showName(state)}`,
          'it is restarted, and the folder is listed again',
        );
      }
      // Never up yet: without this event the first listing would wait for the next rescan.
      if (!wasEverUp) onEvent({ kind: 'rescan', path: '', why: 'error' });
      ready.resolve(undefined);
      await delay(waitMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, restartMs.most);
    }
  };
  const running = run();

  return {
    ready: ready.promise,
    get isUp() {
      return isUp;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      ready.resolve(undefined);
      await running;
    },
  };
};

const runOnce = async (
  folder: Name,
  program: InotifywaitProgram,
  signal: AbortSignal,
  onUp: () => void,
  onEvent: OnFileEvent,
): Promise<Ending> => {
  let upAt: number | undefined;
  let isGone = false as boolean;
  let output = '';
  const ended = (why: Ending['why']): Ending => ({
    why,
    output: output.trim(),
    wasUp: upAt !== undefined,
    upMs: upAt === undefined ? 0 : performance.now() - upAt,
  });

  const target = openArgument(folder);
  if (target === undefined) return ended('gone');
  const child = spawnInotifywait(target.argument, program);
  const kill = (): void => {
    child.kill('SIGKILL'); // It owns nothing that needs cleanup.
  };
  signal.addEventListener('abort', kill, { once: true });
  const reader = createRecordReader(program.recordTerminator);
  child.stdout.on('data', (chunk: Buffer) => {
    for (const event of reader.read(chunk)) {
      if (isGone || signal.aborted) return;
      if (event.kind === 'gone') {
        isGone = true;
        return kill();
      }
      onEvent(event);
    }
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
    if (upAt !== undefined || signal.aborted || !output.includes('Watches established.')) return;
    upAt = performance.now();
    output = '';
    target.close();
    onUp();
  });
  try {
    const { originalMessage } = await child;
    if (upAt === undefined) output = output.replace(/^Setting up watches\.\s*/, '') || (originalMessage ?? '');
  } finally {
    signal.removeEventListener('abort', kill);
    target.close();
  }
  if (signal.aborted) return ended('stopped');
  if (isGone || (upAt === undefined && /No such file or directory|Not a directory/.test(output))) return ended('gone');
  return ended(upAt === undefined && reachedLimit(output) !== undefined ? 'limit' : 'died');
};

/** The folder as an argument. Arguments are UTF-8 only: any other name goes through one of our descriptors in /proc. */
const openArgument = (folder: Name): { readonly argument: string; readonly close: () => void } | undefined => {
  if (folder.isWellFormed()) return { argument: folder, close: () => undefined };
  let descriptor: number | undefined;
  try {
    descriptor = openSync(fsPath(folder), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  const argument = `/proc/${process.pid}/fd/${descriptor}`;
  const close = (): void => {
    // Closed once watched: the kernel reports no DELETE_SELF for a folder that is still open.
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  };
  return { argument, close };
};
