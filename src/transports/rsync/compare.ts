import { TransportError } from '../../errors.ts';
import type { ExpectedFile, Name } from '../../transport.ts';
import { compareArguments, type Comparing } from './arguments.ts';
import { connectionError, excerpt, judgeRun } from './judge.ts';
import { comparisonOf, type Comparison } from './output.ts';
import type { Session } from './session.ts';
import { StagingTree } from './staging-tree.ts';

const largestOf = (files: readonly ExpectedFile[]): number =>
  files.reduce((most, { size }) => Math.max(most, Number(size)), 0);

export type Difference = Exclude<Comparison['verdict'], 'same'>;

/** One run. Returns the files that it did not report as the same. */
export const compare = async (
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
