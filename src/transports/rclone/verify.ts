import type { Discrepancy, ExpectedFile } from '../../transport.ts';
import { hasSameContent } from './compare-content.ts';
import { compareAsSent } from './same-as-sent.ts';
import type { Session } from './session.ts';
import { statMany, statStored, type StoredFile } from './stored-files.ts';

/** `Transport.verify`: each file by itself, many at once. Where the store keeps no times, its sums are compared in their place. */
export const verifyFiles = async (
  session: Session,
  files: readonly ExpectedFile[],
  { checksum }: { readonly checksum: boolean },
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  const { timesWithin, hash } = session.traits;
  const byContent = checksum || (timesWithin === undefined && hash !== undefined);
  const asked = byContent ? hash : undefined;
  const compared = checksum ? new Map<ExpectedFile, boolean>() : await compareAsSent(session, files, signal);
  const rest = files.filter((file) => compared.get(file) !== true);
  const unseen = rest.filter((file) => !compared.has(file));
  const paths = unseen.map(({ targetPath }) => targetPath).filter((path) => path.isWellFormed());
  const seen = await statMany(session, paths, { hash: asked }, signal);
  const found: Discrepancy[] = [];
  const check = async (file: ExpectedFile): Promise<void> => {
    await session.questions.acquire(1);
    try {
      signal.throwIfAborted();
      const by = byContent ? 'content' : compared.has(file) ? 'sum' : 'time';
      const detail = await whatDiffers(session, file, { by, seen: seen.get(file.targetPath) }, signal);
      if (detail !== undefined) found.push({ file, kind: detail === MISSING ? 'missing' : 'different', detail });
    } finally {
      session.questions.release(1);
    }
  };
  const outcomes = await Promise.allSettled(rest.map(check));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return found;
};

const MISSING = 'it does not exist';

interface How {
  /** `sum`: only where the file's own answer has one. What a listing tells is none at a store that encrypts by itself. */
  readonly by: 'content' | 'sum' | 'time';
  readonly seen: StoredFile | undefined;
}

const whatDiffers = async (
  session: Session,
  file: ExpectedFile,
  { by, seen }: How,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { timesWithin, hash } = session.traits;
  if (!file.targetPath.isWellFormed()) return MISSING; // rclone has no such name.
  const stored =
    seen ?? (await statStored(session, file.targetPath, { hash: by === 'time' ? undefined : hash }, signal));
  if (stored === undefined) return MISSING;
  const detail = sizeOrTime(file, stored, timesWithin);
  if (detail !== undefined) return detail;
  if (by === 'content' || (by === 'sum' && hash !== undefined && (stored.hashes[hash] ?? '') !== ''))
    return (await hasSameContent(session, file, stored, signal)) ? undefined : 'the content differs';
  return timesWithin !== undefined || session.shared.sent.has(file)
    ? undefined
    : 'its size is the same, and this remote has neither times nor sums that say more: verify --checksum reads all of it';
};

/** Pure. @param timesWithin seconds; undefined: times are not kept */
export const sizeOrTime = (
  { size, mtimeSeconds }: Pick<ExpectedFile, 'size' | 'mtimeSeconds'>,
  stored: Pick<StoredFile, 'size' | 'mtimeSeconds'>,
  timesWithin: number | undefined,
): string | undefined => {
  if (BigInt(stored.size) !== size) return `it has ${stored.size} bytes, not ${size}`;
  // A store that keeps one second in two is off by one of them at most.
  if (timesWithin === undefined || Math.abs(stored.mtimeSeconds - mtimeSeconds) < timesWithin) return undefined;
  return `its mtime is ${stored.mtimeSeconds}, not ${mtimeSeconds}`;
};
