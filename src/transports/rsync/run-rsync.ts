import { collectStderr, startChild } from '../../ssh/program/child.ts';
import type { RunEnd } from './judge.ts';
import { createLineSplitter } from './output.ts';

export interface RunIo {
  /** What comes on stdin: names, NUL-separated. */
  readonly list?: Buffer;
  readonly onLine?: (line: Buffer) => void;
}

/** Runs rsync to its end. An aborted run is ended, then told of like any other. */
export const runRsync = async (
  args: readonly string[],
  { list, onLine = () => undefined }: RunIo,
  signal: AbortSignal,
): Promise<RunEnd> => {
  const child = startChild('rsync', args, { signal });
  const stderr = collectStderr(child);
  child.stdout.on('data', createLineSplitter(onLine));
  child.stdin.end(list);
  return { exitCode: await child.ended, stderr: stderr() };
};
