import { lstatSync } from 'node:fs';
import { systemErrorCode } from '../../errors.ts';
import {
  encodeName,
  fsPath,
  showName,
  TransportError,
  type FetchedFile,
  type FetchOptions,
  type IncomingFile,
  type Name,
} from '../../transport.ts';
import { fetchArguments } from './fetch-arguments.ts';
import { connectionError, judgeRun, namesFile, showEnd, type RunEnd } from './judge.ts';
import { localProblem } from './local-problem.ts';
import { unescapeName } from './output.ts';
import { RESUME_MIN_BYTES } from './run-stop.ts';
import type { Session } from './session.ts';

/** `Transport.fetch`: all files in one run into the scratch folder, from which each is taken as soon as it is whole. */
export const fetchFiles = async (
  session: Session,
  files: readonly IncomingFile[],
  { fetched, scratch }: FetchOptions,
  signal: AbortSignal,
): Promise<void> => {
  const left = new Map(files.map((file) => [file.targetPath, file]));
  const takeIfWhole = (name: Name): void => {
    const file = left.get(name);
    const found = file === undefined ? undefined : look(`${scratch}/${name}`);
    if (file === undefined || found === undefined) return;
    left.delete(name);
    file.take(`${scratch}/${name}`);
    fetched(file, found);
  };
  let coming: Name | undefined;
  const onLine = (line: Buffer): void => {
    if (!/^>f.{9}\|/.test(line.toString('latin1', 0, 12))) return;
    // The one before has its name by now, or will never have it.
    if (coming !== undefined) takeIfWhole(coming);
    coming = unescapeName(line.subarray(12));
  };
  const largestBytes = files.reduce((most, { size }) => Math.max(most, size), 0);
  const list = Buffer.concat(files.flatMap(({ targetPath }) => [encodeName(targetPath), NUL]));
  const end = await session.runs.run(
    fetchArguments({
      ...session.target({ path: scratch }),
      bandwidth: session.context.bandwidth,
      partialFolder: largestBytes >= RESUME_MIN_BYTES ? session.partialFolder : undefined,
    }),
    { list, onLine, largestBytes, receives: true },
    signal,
  );
  for (const name of [...left.keys()]) takeIfWhole(name);
  signal.throwIfAborted();
  const verdict = judgeRun(end);
  if (left.size === 0) return;
  const here = localProblem(end);
  if (here !== undefined) throw here;
  if (verdict.kind === 'connection') throw connectionError(`fetch files from ${session.label}`, verdict);
  if (verdict.kind !== 'files')
    throw new TransportError('network', `Cannot fetch files from ${session.label}: ${showEnd(end)}`, {
      hint: 'see what rsync says of the disk here, and of the destination',
    });
  for (const file of left.values()) fetched(file, whyNot(file, end, session.label));
};

const NUL = Buffer.from([0]);

/** undefined: it is not whole. rsync gives a file its name last. */
const look = (path: Name): FetchedFile | undefined => {
  try {
    const stats = lstatSync(fsPath(path), { throwIfNoEntry: false });
    if (stats?.isFile() !== true) return undefined;
    return { size: stats.size, mtimeSeconds: Math.floor(stats.mtimeMs / 1000), mode: stats.mode & 0o7777 };
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
};

const whyNot = ({ targetPath }: IncomingFile, end: RunEnd, label: string): TransportError => {
  const line = end.stderr.split('\n').find((one) => namesFile(one, targetPath));
  const isGone = line?.includes('No such file or directory') === true;
  const state = isGone ? 'it is no longer there' : showName(line ?? 'it is no regular file, or cannot be read');
  return new TransportError('file', `Cannot read "${showName(targetPath)}" at ${label}: ${state}`, {
    hint: isGone ? 'see what removes files there' : 'give the account the right to read it there',
  });
};
