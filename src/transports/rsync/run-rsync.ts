import { collectStderr, startChild } from '../../ssh/program/child.ts';
import { SILENCE_AT_END } from '../sftp/silence.ts';
import type { RunEnd } from './judge.ts';
import { createLineSplitter } from './output.ts';
import {
  bytesMoved,
  bytesMovedWithChildren,
  ProgressWatch,
  STALL_LIMITS,
  stallLimitMs,
  type StallLimits,
} from './progress.ts';

export interface RunIo {
  /** For stdin: names, NUL-separated. */
  readonly list?: Buffer;
  readonly onLine?: (line: Buffer) => void;
  /** Called now and then with the bytes that it has read and written so far. */
  readonly onMoved?: (bytes: number) => void;
  /** The size of the largest file that is read or written as a whole; default: none is. */
  readonly largestBytes?: number;
  /** It writes here, in a process of its own: what that one moves counts. */
  readonly receives?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly limits?: StallLimits;
  /** True once nobody waits for it any longer than it moves bytes. */
  readonly mustEnd?: () => boolean;
}

const WATCH_EVERY_MS = 500;

/** Runs rsync to its end. An abort terminates it; the result is then reported as of any other run. Never rejects. */
export const runRsync = async (
  args: readonly string[],
  {
    list,
    onLine = () => undefined,
    onMoved = () => undefined,
    largestBytes = 0,
    receives = false,
    env = {},
    limits = STALL_LIMITS,
    mustEnd = () => false,
  }: RunIo,
  signal: AbortSignal,
): Promise<RunEnd> => {
  const child = startChild('rsync', args, { signal, env });
  const stderr = collectStderr(child);
  child.stdout.on('data', createLineSplitter(onLine));
  child.stdin.end(list);
  const progress = new ProgressWatch(performance.now());
  let stalledMs: number | undefined;
  const watch = setInterval(() => {
    const moved = receives ? bytesMovedWithChildren(child.pid) : bytesMoved(child.pid);
    onMoved(moved);
    const quietMs = progress.note(moved, performance.now());
    const limitMs = stallLimitMs(limits, { largestBytes, hasErrors: stderr() !== '' });
    if (quietMs < (mustEnd() ? Math.min(limitMs, SILENCE_AT_END.allMs) : limitMs)) return;
    stalledMs = quietMs;
    child.end();
  }, WATCH_EVERY_MS);
  const exitCode = await child.ended;
  clearInterval(watch);
  return { exitCode, stderr: stderr(), ...(stalledMs === undefined ? {} : { stalledMs }) };
};
