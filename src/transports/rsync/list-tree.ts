import { encodeName, TransportError, type Name, type StoredEntry } from '../../transport.ts';
import { asListed, treeArguments } from './fetch-arguments.ts';
import { connectionError, excerpt, judgeRun, type RunEnd } from './judge.ts';
import { unescapeName } from './output.ts';
import type { Session } from './session.ts';
import { StagingTree } from './staging-tree.ts';

export interface ListTreeOptions {
  readonly deep: boolean;
  readonly visit: (entry: StoredEntry) => void;
}

/** `Transport.listTree`: what a dry run into an empty folder would bring. */
export const listTree = async (
  session: Session,
  folder: Name,
  { deep, visit }: ListTreeOptions,
  signal: AbortSignal,
): Promise<void> => {
  using tree = new StagingTree(session.stagingFolder);
  const onLine = (line: Buffer): void => {
    const entry = entryOf(line);
    if (entry !== undefined && entry.path !== folder && entry.path !== '.') visit(entry);
  };
  const end = await session.runs.run(
    treeArguments(session.target(tree), { deep }),
    { list: Buffer.concat([encodeName(asListed(folder)), NUL]), onLine, env: { TZ: 'UTC0' }, receives: true },
    signal,
  );
  signal.throwIfAborted();
  const verdict = judgeRun(end);
  if (verdict.kind === 'connection' && !isMissing(end))
    throw connectionError(`list files at ${session.label}`, verdict);
  if (end.exitCode === 0 || end.exitCode === VANISHED || isMissing(end)) return;
  throw new TransportError('file', `Cannot list files at ${session.label}: ${excerpt(end.stderr)}`, {
    hint: 'give the account the right to read all folders there',
  });
};

const NUL = Buffer.from([0]);
const VANISHED = 24;

/** It says of the folder that was asked for that it is not there, and nothing else. */
const isMissing = ({ stderr }: RunEnd): boolean => {
  const lines = stderr.split('\n').filter((line) => line !== '' && !FOLLOWS.test(line));
  return lines.length > 0 && lines.every((line) => MISSING.test(line));
};
const FOLLOWS = /^rsync error:|\] write error: Broken pipe/;
const MISSING = /(?:link_stat|change_dir) .* failed: (?:No such file or directory|Not a directory) /;

const ITEM = /^[<>.ch*]([fdLDS]).{9}\|(\d+)\|(\d+)\/(\d+)\/(\d+)-(\d+):(\d+):(\d+)\|/;

/** Pure. A line of `--out-format=%i|%l|%M|%n`, with times in UTC; undefined for any other. */
export const entryOf = (line: Buffer): StoredEntry | undefined => {
  const match = ITEM.exec(line.toString('latin1', 0, 80));
  if (match === null) return undefined;
  const [found, type, size, year, month, day, hour, minute, second] = match;
  const time = new Date(0);
  // Not Date.UTC, which takes the years from 0 to 99 for those of a century.
  time.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  time.setUTCHours(Number(hour), Number(minute), Number(second));
  const name = unescapeName(line.subarray(found.length));
  return {
    path: name.endsWith('/') ? name.slice(0, -1) : name,
    kind: type === 'f' ? 'file' : type === 'd' ? 'folder' : 'other',
    size: Number(size),
    mtimeSeconds: time.getTime() / 1000,
  };
};
