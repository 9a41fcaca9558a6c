import { collectStderr, startChild } from '../../ssh/program/child.ts';
import type { RunEnd } from './judge.ts';
import { createLineSplitter } from './output.ts';

export interface RunIo {
  /** For stdin: names, NUL-separated. */
  readonly list?: Buffer;
  readonly onLine?: (line: Buffer) => void;
}

/** Runs rsync to its end. An abort terminates it; the result is then reported as of any other run. Never rejects. */
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
