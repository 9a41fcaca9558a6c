import { linkSync, lstatSync, readdirSync, renameSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { Status } from '../sftp/protocol.ts';
import type { ResolvedPath } from './confined-folder.ts';
import { RefusedError } from './refused-error.ts';

const SLASH = 0x2f;
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EMLINK']);

/**
 * Keeps a file under `name.~N~`, N one more than the highest that is there: the numbered backups of GNU cp. It has its own name, too,
 * where the file system has hard links: whoever replaces it leaves no moment without a file.
 * @throws RefusedError for what is not a regular file, and the system's error
 */
export const keepVersion = (file: ResolvedPath): void => {
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
    if (last?.dev === stats.dev && last.ino === stats.ino) return;
  }
  const kept = version(highest + 1);
  try {
    linkSync(file, kept);
  } catch (error) {
    if (!NO_LINKS.has(systemErrorCode(error) ?? '')) throw error;
    renameSync(file, kept);
  }
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
