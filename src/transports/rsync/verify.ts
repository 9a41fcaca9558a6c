import { TransportError } from '../../errors.ts';
import type { Discrepancy, ExpectedFile, Name } from '../../transport.ts';
import { compareArguments, type Comparing } from './arguments.ts';
import { StagingTree } from './staging-tree.ts';
import { connectionError, excerpt, judgeRun } from './judge.ts';
import { comparisonOf, type Comparison } from './output.ts';
import type { Session } from './session.ts';

/** Compares each file with the destination and changes nothing. A file that rsync does not report as the same is a discrepancy. */
export const verifyFiles = async (
  session: Session,
  files: readonly ExpectedFile[],
  { checksum }: { readonly checksum: boolean },
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  const walked = checksum ? undefined : await compare(session, files, 'walked', signal);
  // A folder that is a link at the destination is followed only for listed names: ask again for what the walk did not find.
  const found =
    walked === undefined
      ? await compare(session, files, 'content', signal)
      : await compare(session, [...walked.keys()], 'listed', signal);
  for (const file of await heldAtTheLimit(session, found, signal)) found.delete(file);
  return [...found].map(([file, what]): Discrepancy => {
    const kind = what === 'missing' ? 'missing' : 'different';
    return { file, kind, detail: DETAILS[what] };
  });
};

/**
 * File systems with 32 bits for a time (ext3, ext4 with 128-byte inodes, older XFS) keep the first or the last second that they have in
 * place of any before 1901 or after 2038. Returns the files that have it.
 */
const heldAtTheLimit = async (
  session: Session,
  found: ReadonlyMap<ExpectedFile, Difference>,
  signal: AbortSignal,
): Promise<ExpectedFile[]> => {
  const asHeld = new Map<ExpectedFile, ExpectedFile>();
  for (const [file, what] of found) {
    const mtimeSeconds = Math.min(Math.max(file.mtimeSeconds, -0x8000_0000), 0x7fff_ffff);
    if (what === 'time' && mtimeSeconds !== file.mtimeSeconds) asHeld.set({ ...file, mtimeSeconds }, file);
  }
  const differing = await compare(session, [...asHeld.keys()], 'listed', signal);
  return [...asHeld].flatMap(([held, file]) => (differing.has(held) ? [] : [file]));
};

const largestOf = (files: readonly ExpectedFile[]): number =>
  files.reduce((most, { size }) => Math.max(most, Number(size)), 0);

type Difference = Exclude<Comparison['verdict'], 'same'>;

/** One run. Returns the files that it did not report as the same. */
const compare = async (
  session: Session,
  files: readonly ExpectedFile[],
  how: Comparing,
  signal: AbortSignal,
): Promise<Map<ExpectedFile, Difference>> => {
  if (files.length === 0) return new Map();
  using tree = new StagingTree(session.stagingFolder);
  for (const { sourcePath, targetPath, size, mtimeSeconds } of files) {
    // Content is read from the source; size and time are the expected ones, even where the source has changed since.
    if (how === 'content') tree.link(targetPath, sourcePath);
    else tree.placeholder(targetPath, size, mtimeSeconds);
  }
  const found = new Map<Name, Comparison['verdict']>();
  const end = await session.runs.run(
    compareArguments(session.target(tree), how),
    {
      ...(how === 'walked' ? {} : { list: tree.list }),
      onLine: (line) => {
        const comparison = comparisonOf(line);
        if (comparison !== undefined) found.set(comparison.name, comparison.verdict);
      },
      largestBytes: how === 'content' ? largestOf(files) : 0,
    },
    signal,
  );
  signal.throwIfAborted();
  const verdict = judgeRun(end);
  if (verdict.kind === 'refused') {
    session.refuse(verdict.options);
    return await compare(session, files, how, signal);
  }
  if (verdict.kind === 'connection') throw connectionError(`verify files at ${session.label}`, verdict);
  if (verdict.kind === 'stopped') {
    throw new TransportError('network', `Cannot verify files at ${session.label}: ${excerpt(end.stderr)}`, {
      hint: 'try again later',
    });
  }
  const differing = new Map<ExpectedFile, Difference>();
  for (const file of files) {
    const what = found.get(file.targetPath) ?? 'other';
    if (what !== 'same') differing.set(file, what);
  }
  return differing;
};

const DETAILS = {
  missing: 'it is not there',
  size: 'it has a different size',
  time: 'it has a different mtime',
  content: 'its content differs',
  other: 'it is not a regular file, or cannot be read',
} as const;
