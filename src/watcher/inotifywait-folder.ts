import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemErrorCode } from '../errors.ts';
import { fsPath, showName, type Name } from '../name.ts';
import type { FolderWatch, OnFileEvent, TellTrouble } from './file-events.ts';
import { createRecordReader } from './inotify-records.ts';
import { reachedLimit, type ReachedLimit } from './inotify-limits.ts';
import { spawnInotifywait, type InotifywaitProgram } from './inotifywait-program.ts';

export interface InotifywaitOptions {
  readonly program: InotifywaitProgram;
  readonly tellTrouble: TellTrouble;
  readonly tellLimit: (limit: ReachedLimit) => void;
  /** Before it is started again: the first wait, doubled each time, and the longest. */
  readonly restartMs?: { readonly first: number; readonly most: number };
}

/** How one run of the program ended. */
interface Ending {
  readonly why: 'gone' | 'limit' | 'died' | 'stopped';
  readonly words: string;
  readonly wasUp: boolean;
  readonly upMs: number;
}

const RESTART_MS = { first: 100, most: 30_000 };
/** A limit is the host's, not ours: it is tried again, slowly. */
const LIMIT_RETRY_MS = 60_000;
/** Who lived so long did not die of its start. */
const HEALTHY_MS = 10_000;

/** One `inotifywait` for one folder, started again when it dies. */
export const watchWithInotifywait = (
  folder: Name,
  { program, tellTrouble, tellLimit, restartMs = RESTART_MS }: InotifywaitOptions,
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
      if (ending.upMs > HEALTHY_MS) waitMs = restartMs.first;
      if (ending.why === 'limit') {
        tellLimit(reachedLimit(ending.words) ?? 'instances');
        waitMs = LIMIT_RETRY_MS;
      } else {
        const state = ending.wasUp ? 'it ended' : ending.words || 'it did not start';
        tellTrouble(
          `Cannot watch "${showName(folder)}" for a moment: inotifywait: ${showName(state)}`,
          'it is started again, and the folder is listed then',
        );
      }
      // Listed now by who did not hear of it yet: the next listing may be long in coming.
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
  let words = '';
  const ended = (why: Ending['why']): Ending => ({
    why,
    words: words.trim(),
    wasUp: upAt !== undefined,
    upMs: upAt === undefined ? 0 : performance.now() - upAt,
  });

  const named = openArgument(folder);
  if (named === undefined) return ended('gone');
  const child = spawnInotifywait(named.argument, program);
  const kill = (): void => {
    child.kill('SIGKILL'); // It holds nothing that it could leave behind.
  };
  signal.addEventListener('abort', kill, { once: true });
  const reader = createRecordReader(program.recordEnd);
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
    words += chunk.toString('utf8');
    if (upAt !== undefined || signal.aborted || !words.includes('Watches established.')) return;
    upAt = performance.now();
    words = '';
    named.close();
    onUp();
  });
  try {
    const { originalMessage } = await child;
    if (upAt === undefined) words = words.replace(/^Setting up watches\.\s*/, '') || (originalMessage ?? '');
  } finally {
    signal.removeEventListener('abort', kill);
    named.close();
  }
  if (signal.aborted) return ended('stopped');
  if (isGone || (upAt === undefined && /No such file or directory|Not a directory/.test(words))) return ended('gone');
  return ended(upAt === undefined && reachedLimit(words) !== undefined ? 'limit' : 'died');
};

/** The folder as an argument, which can only be text: where its name holds stray bytes it is named by a descriptor of ours. */
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
    // Not kept: a folder that somebody has open is not told as removed.
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  };
  return { argument, close };
};
