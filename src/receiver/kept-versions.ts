import { lstatSync, readdirSync, renameSync } from 'node:fs';
import { Status } from '../sftp/protocol.ts';
import type { ResolvedPath } from './confined-folder.ts';
import { linkIfPossible } from './name-if-free.ts';
import { RefusedError } from './refused-error.ts';

const SLASH = 0x2f;

/**
 * Keeps a file under `name.~N~`, N one more than the highest that is there: the numbered backups of GNU cp. It has its own name, too,
 * where the file system has hard links: whoever replaces it leaves no moment without a file.
 * @param replace gives its name to another one; where it cannot, the file has its name again
 * @throws RefusedError for what is not a regular file, the system's error, and what `replace` throws
 */
export const keepVersion = <T>(file: ResolvedPath, replace: () => T): T => {
  const kept = keep(file);
  try {
    return replace();
  } catch (error) {
    if (!lstatSync(file, { throwIfNoEntry: false })) renameSync(kept, file);
    throw error;
  }
};

/** @returns the name of the version */
const keep = (file: ResolvedPath): Buffer => {
  const stats = lstatSync(file, { bigint: true });
  if (!stats.isFile()) throw new RefusedError(Status.PERMISSION_DENIED, 'append-only: something else has this name');
  const path = Buffer.from(file);
  const end = path.lastIndexOf(SLASH) + 1;
  const [folder, name] = [path.subarray(0, end), path.subarray(end)];
  const version = (number: number): Buffer => Buffer.concat([path, Buffer.from(`.~${number}~`)]);
  const highest = highestVersion(folder, name);
  if (highest > 0) {
    const last = lstatSync(version(highest), { bigint: true, throwIfNoEntry: false });
    // A receiver that was killed had no time to give the name to the new file.
    if (last?.dev === stats.dev && last.ino === stats.ino) return version(highest);
  }
  const kept = version(highest + 1);
  if (!linkIfPossible(file, kept)) renameSync(file, kept);
  return kept;
};

/** 0: there is none. */
const highestVersion = (folder: Buffer, name: Buffer): number => {
  let highest = 0;
  for (const entry of readdirSync(folder, { encoding: 'buffer' })) {
    if (entry.length <= name.length || !entry.subarray(0, name.length).equals(name)) continue;
    const number = /^\.~([1-9]\d{0,14})~$/.exec(entry.toString('latin1', name.length))?.[1];
    highest = Math.max(highest, Number(number ?? 0));
  }
  return highest;
};
