import { collectStderr, startChild } from '../../ssh/program/child.ts';
import { SILENCE_AT_END } from '../sftp/silence.ts';
import type { FirstContact } from './first-contact.ts';
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
  /** Where none was made yet on this connection, a run that gets no answer is not waited for as long as one that did. */
  readonly contact?: FirstContact;
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
    contact,
  }: RunIo,
  signal: AbortSignal,
): Promise<RunEnd> => {
  const child = startChild('rsync', args, { signal, env });
  const stderr = collectStderr(child);
  const take = (line: Buffer): void => {
    contact?.note(line);
    onLine(line);
  };
  child.stdout.on('data', createLineSplitter(take));
  child.stdin.end(list);
  const progress = new ProgressWatch(performance.now());
  let stalledMs: number | undefined;
  let sftpOnly = false as boolean;
  const giveUp = (isSftpOnly: boolean): void => {
    sftpOnly ||= isSftpOnly;
    if (isSftpOnly) child.end();
  };
  const watch = setInterval(() => {
    const moved = receives ? bytesMovedWithChildren(child.pid) : bytesMoved(child.pid);
    onMoved(moved);
    const quietMs = progress.note(moved, performance.now());
    if (contact?.isMade === false && quietMs >= contact.limits.quietMs) void contact.isSftpOnly().then(giveUp);
    const limitMs = stallLimitMs(limits, { largestBytes, hasErrors: stderr() !== '' });
    if (quietMs < (mustEnd() ? Math.min(limitMs, SILENCE_AT_END.allMs) : limitMs)) return;
    stalledMs = quietMs;
    child.end();
  }, WATCH_EVERY_MS);
  const exitCode = await child.ended;
  clearInterval(watch);
  return {
    exitCode,
    stderr: stderr(),
    ...(stalledMs === undefined ? {} : { stalledMs }),
    ...(sftpOnly ? { sftpOnly } : {}),
    ...(args.includes('-p') ? { setsPermissions: true } : {}),
  };
};
