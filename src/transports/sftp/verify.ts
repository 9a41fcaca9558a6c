import type { Attributes } from '../../sftp/protocol.ts';
import { type Discrepancy, type ExpectedFile, type ListedFile, type Name } from '../../transport.ts';
import { parentOf } from './folders.ts';
import { listFolder } from './list-folder.ts';
import { differentContent } from './same-content.ts';
import { heldTimes, mayBeHeldFor } from './held-times.ts';
import { isHeldTime, protocolTime, type Session } from './session.ts';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

// A listing has a hundred files in one reply, but is abandoned in a folder with many more files than are to be verified.
const MIN_FILES_TO_LIST = 32;
// On a long line a listing takes several round trips, and questions for each file take one.
const MIN_FILES_TO_LIST_FAR = 2000;
const MAX_LISTED_PER_FILE = 16;

/** Compares each file under its final name: size and whole-second mtime, and with `checksum` the content. */
export const verifyFiles = async (
  session: Session,
  files: readonly ExpectedFile[],
  { checksum }: { readonly checksum: boolean },
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  const byFolder = Map.groupBy(files, ({ targetPath }) => parentOf(targetPath));
  const discrepancies = await Promise.all(
    [...byFolder].map(([folder, inFolder]) => checkFolder(session, folder, inFolder, signal)),
  );
  const found = discrepancies.flat();
  if (!checksum) return found;
  const wrong = new Set(found.map(({ file }) => file));
  const rest = files.filter((file) => !wrong.has(file));
  for (const file of await differentContent(session, rest, signal))
    found.push({ file, kind: 'different', detail: 'the content differs' });
  return found;
};

/** Calls `visit` with every regular file of a folder. */
export const listFiles = async (
  session: Session,
  folder: Name,
  visit: (file: ListedFile) => void,
  signal: AbortSignal,
): Promise<void> => {
  for await (const entries of listFolder(session, `${session.options.path}/${folder}`)) {
    signal.throwIfAborted();
    for (const { name, attributes } of entries) {
      const { size = 0, permissions = 0, mtime = 0 } = attributes;
      if ((permissions & S_IFMT) === S_IFREG) visit({ name, size, mtimeSeconds: mtime });
    }
  }
};

const checkFolder = async (
  session: Session,
  folder: Name,
  files: readonly ExpectedFile[],
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  const { channels, options } = session;
  const found: Discrepancy[] = [];
  /** Of another time, and else as they are expected. */
  const ofOtherTime = new Map<ExpectedFile, number>();
  const left = new Map(files.map((file) => [baseName(file.targetPath), file]));
  const check = (file: ExpectedFile, attributes: Attributes | undefined): void => {
    const discrepancy = compareAttributes(file, attributes);
    if (discrepancy !== undefined) found.push(discrepancy);
    else if (attributes !== undefined && !isHeldTime(file.mtimeSeconds, attributes.mtime))
      ofOtherTime.set(file, attributes.mtime ?? 0);
  };
  if (files.length > (channels.isFar ? MIN_FILES_TO_LIST_FAR : MIN_FILES_TO_LIST)) {
    let entries = files.length * MAX_LISTED_PER_FILE;
    for await (const piece of listFolder(session, `${options.path}/${folder}`)) {
      for (const { name, attributes } of piece) {
        const file = left.get(name);
        if (file !== undefined && left.delete(name)) check(file, attributes);
      }
      entries -= piece.length;
      if (left.size === 0 || entries <= 0) break;
    }
  }
  // Files beyond the abandoned listing, and files missing from it: they may have appeared since.
  await Promise.all(
    [...left.values()].map(async (file) =>
      check(file, await channels.leastBusy().lstat(`${options.path}/${file.targetPath}`)),
    ),
  );
  return [...found, ...(await differentTimes(session, folder, ofOtherTime, signal))];
};

/** The times that are not those with which the destination holds what was sent. */
const differentTimes = async (
  session: Session,
  folder: Name,
  found: ReadonlyMap<ExpectedFile, number>,
  signal: AbortSignal,
): Promise<Discrepancy[]> => {
  const doubtful = [...found].filter(([{ mtimeSeconds }, mtime]) => mayBeHeldFor(mtimeSeconds, mtime));
  const times = doubtful.map(([{ mtimeSeconds }]) => mtimeSeconds);
  const held = times.length === 0 ? undefined : await heldTimes(session, folder, times, signal);
  return [...found].flatMap(([file, mtime]): Discrepancy[] => {
    const { mtimeSeconds } = file;
    if (held?.get(mtimeSeconds) === mtime) return [];
    return [{ file, kind: 'different', detail: `its mtime is ${mtime}, not ${protocolTime(mtimeSeconds)}` }];
  });
};

const baseName = (path: Name): Name => path.slice(path.lastIndexOf('/') + 1);

/** All but the time. */
const compareAttributes = (file: ExpectedFile, attributes: Attributes | undefined): Discrepancy | undefined => {
  if (attributes === undefined) return { file, kind: 'missing', detail: 'it does not exist' };
  const { size = 0, permissions = S_IFREG } = attributes;
  const different = (detail: string): Discrepancy => ({ file, kind: 'different', detail });
  if ((permissions & S_IFMT) !== S_IFREG) return different('it is not a regular file');
  if (BigInt(size) !== file.size) return different(`it has ${size} bytes, not ${file.size}`);
  return undefined;
};
