import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { fsPath, wholeSeconds, type ExpectedFile, type Name } from '../../transport.ts';
import type { Session } from './session.ts';
import { listSums } from './stored-files.ts';

/** A page of a listing has a thousand. */
const FEW = 50;
/** A larger one may have been uploaded in parts, and then has a sum of its own only in what costs a request. */
const SMALL_BYTES = 1024 * 1024;
/** Node has them as well. */
const KNOWN = new Set(['md5', 'sha1', 'sha256']);

/**
 * Of files that this run has sent, whether the store has the content of the source: where a listing tells sums, and to ask for a time costs a
 * request for each. Those of which it tells nothing, and whose source is another by now, are left out.
 */
export const compareAsSent = async (
  session: Session,
  files: readonly ExpectedFile[],
  signal: AbortSignal,
): Promise<ReadonlyMap<ExpectedFile, boolean>> => {
  const { traits, shared } = session;
  const { hash } = traits;
  const found = new Map<ExpectedFile, boolean>();
  if (!traits.hasSlowTimes || traits.timesWithin === undefined || hash === undefined || !KNOWN.has(hash)) return found;
  const sent = files.filter((file) => file.size <= SMALL_BYTES && shared.sent.has(file));
  for (const [folder, inIt] of Map.groupBy(sent, ({ targetPath }) => folderOf(targetPath))) {
    if (inIt.length < FEW) continue;
    const sums = await listSums(session, folder, hash, signal);
    for (const file of inIt) {
      const there = sums.get(file.targetPath);
      const here = sumOfSource(file, hash);
      if (typeof there !== 'string' || there === '' || here === undefined) continue;
      found.set(file, there === here);
    }
  }
  return found;
};

const folderOf = (path: Name): Name => path.slice(0, Math.max(0, path.lastIndexOf('/')));

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** undefined: it is not what is expected any more. A promise for each call would cost more than the read. */
const sumOfSource = (file: ExpectedFile, hash: string): string | undefined => {
  try {
    const descriptor = openSync(fsPath(file.sourcePath), READ_FLAGS);
    try {
      const found = fstatSync(descriptor, { bigint: true });
      const isSame = found.size === file.size && wholeSeconds(found.mtimeNs) === file.mtimeSeconds;
      return isSame ? createHash(hash).update(readFileSync(descriptor)).digest('hex') : undefined;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
};
