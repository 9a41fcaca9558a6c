import { lstatSync } from 'node:fs';
import { TransportError } from '../../errors.ts';
import { fsPath, type Discrepancy, type ExpectedFile, type Name } from '../../transport.ts';
import { compareArguments } from './arguments.ts';
import { createFarm } from './farm.ts';
import { judgeRun } from './judge.ts';
import { comparisonOf, type Comparison } from './output.ts';
import type { Session } from './session.ts';

/** Looks at each file under its final name, in one run that changes nothing. Only what is said to be the same is the same. */
export const verifyFiles = async (
  session: Session,
  files: readonly ExpectedFile[],
  { checksum }: { readonly checksum: boolean },
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  if (files.length === 0) return [];
  using farm = createFarm(session.farms);
  for (const { sourcePath, targetPath, size, mtimeNs } of files) {
    const now = lstatSync(fsPath(sourcePath), { bigint: true, throwIfNoEntry: false });
    // Content is the source's; size and time are what was expected, even where the source has moved on since.
    const isExpected = now?.isFile() === true && now.size === size && now.mtimeNs === mtimeNs;
    if (isExpected || checksum) farm.link(targetPath, sourcePath);
    else farm.likeness(targetPath, size, mtimeNs);
  }
  const { master, options, capabilities } = session;
  const found = new Map<Name, Comparison['verdict']>();
  const end = await session.runs.run(
    compareArguments({ socket: master.socket, farm: farm.path, path: options.path, capabilities }, { checksum }),
    {
      list: farm.list,
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
    return await verifyFiles(session, files, { checksum }, signal);
  }
  if (verdict.kind !== 'files') {
    const { state, hint } = verdict.kind === 'line' ? verdict : { state: end.stderr.trim().slice(0, 300), hint: AGAIN };
    throw new TransportError(
      verdict.kind === 'line' ? verdict.class : 'network',
      `Cannot verify files at ${session.label}: ${state}`,
      { hint },
    );
  }
  return files.flatMap((file): Discrepancy[] => {
    const what = found.get(file.targetPath);
    if (what === 'same') return [];
    if (what === 'missing') return [{ file, kind: 'missing', detail: DETAILS.missing }];
    return [{ file, kind: 'different', detail: DETAILS[what ?? 'other'] }];
  });
};

const AGAIN = 'try again later';

const DETAILS = {
  missing: 'it is not there',
  size: 'it has another size',
  time: 'it has another mtime',
  content: 'the content differs',
  other: 'it is not a regular file, or cannot be read',
} as const;
