import type { Discrepancy, ExpectedFile } from '../../transport.ts';
import { compare } from './compare.ts';
import { heldThere } from './held-times.ts';
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
  for (const file of await heldThere(session, found, signal)) found.delete(file);
  return [...found].map(([file, what]): Discrepancy => {
    const kind = what === 'missing' ? 'missing' : 'different';
    return { file, kind, detail: DETAILS[what] };
  });
};

const DETAILS = {
  missing: 'it is not there',
  size: 'it has a different size',
  time: 'it has a different mtime',
  content: 'its content differs',
  other: 'it is not a regular file, or cannot be read',
} as const;
