import { TransportError } from '../../errors.ts';
import type { Discrepancy, ExpectedFile, Name } from '../../transport.ts';
import { compareArguments, type Comparing } from './arguments.ts';
import { createFarm } from './staging-tree.ts';
import { judgeRun } from './judge.ts';
import { comparisonOf, type Comparison } from './output.ts';
import type { Session } from './session.ts';

/** Looks at each file under its final name and changes nothing. Only what is said to be the same is the same. */
export const verifyFiles = async (
  session: Session,
  files: readonly ExpectedFile[],
  { checksum }: { readonly checksum: boolean },
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  const walked = checksum ? undefined : await compare(session, files, 'walked', signal);
  // A folder that is a link there is looked through only for who asks by name.
  const found =
    walked === undefined
      ? await compare(session, files, 'content', signal)
      : await compare(session, [...walked.keys()], 'listed', signal);
  return [...found].map(([file, what]): Discrepancy => {
    const kind = what === 'missing' ? 'missing' : 'different';
    return { file, kind, detail: DETAILS[what] };
  });
};

type Difference = Exclude<Comparison['verdict'], 'same'>;

/** One run. Returns the files that it does not say are the same. */
const compare = async (
  session: Session,
  files: readonly ExpectedFile[],
  how: Comparing,
  signal: AbortSignal,
): Promise<Map<ExpectedFile, Difference>> => {
  if (files.length === 0) return new Map();
  using farm = createFarm(session.farms);
  for (const { sourcePath, targetPath, size, mtimeSeconds } of files) {
    // Content is the source's; size and time are what was expected, even where the source has moved on since.
    if (how === 'content') farm.link(targetPath, sourcePath);
    else farm.likeness(targetPath, size, mtimeSeconds);
  }
  const { master, options, capabilities } = session;
  const found = new Map<Name, Comparison['verdict']>();
  const end = await session.runs.run(
    compareArguments({ socket: master.socket, farm: farm.path, path: options.path, capabilities }, how),
    {
      ...(how === 'walked' ? {} : { list: farm.list }),
      onLine: (line) => {
        const comparison = comparisonOf(line);
        if (comparison !== undefined) found.set(comparison.name, comparison.verdict);
      },
    },
    signal,
  );
  signal.throwIfAborted();
  const verdict = judgeRun(end);
  if (verdict.kind === 'refused') {
    session.refuse(verdict.options);
    return await compare(session, files, how, signal);
  }
  if (verdict.kind !== 'files') {
    const { state, hint } = verdict.kind === 'line' ? verdict : { state: end.stderr.trim().slice(0, 300), hint: AGAIN };
    throw new TransportError(
      verdict.kind === 'line' ? verdict.class : 'network',
      `Cannot verify files at ${session.label}: ${state}`,
      { hint },
    );
  }
  const differing = new Map<ExpectedFile, Difference>();
  for (const file of files) {
    const what = found.get(file.targetPath) ?? 'other';
    if (what !== 'same') differing.set(file, what);
  }
  return differing;
};

const AGAIN = 'try again later';

const DETAILS = {
  missing: 'it is not there',
  size: 'it has another size',
  time: 'it has another mtime',
  content: 'the content differs',
  other: 'it is not a regular file, or cannot be read',
} as const;
