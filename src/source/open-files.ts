import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import type { FileIdentity } from '../identity.ts';

type Inode = Pick<FileIdentity, 'dev' | 'ino'>;

/** Which process has which file open for writing. */
export class OpenFiles {
  /** Keyed by inode number alone: looked up for every file of a listing, and a text key of both numbers cost more than the lookup. */
  readonly #seen = new Map<bigint, { readonly dev: bigint; readonly pid: number }[]>();

  add({ dev, ino }: Inode, pid: number): void {
    const known = this.#seen.get(ino);
    if (known === undefined) this.#seen.set(ino, [{ dev, pid }]);
    else if (this.writerOf({ dev, ino }) === undefined) known.push({ dev, pid });
  }

  /** The id of a process that has the file open for writing, if any. */
  writerOf({ dev, ino }: Inode): number | undefined {
    return this.#seen.get(ino)?.find((one) => one.dev === dev)?.pid;
  }
}

/** On the link of a descriptor: it is open for writing (as lsof reads it). */
const WRITABLE = 0o200;
// Never the files of a parser, and the bulk of all descriptors.
const NOT_A_REGULAR_FILE = /^(?:[a-z_]+:|\/dev\/|\/proc\/|\/sys\/|\/memfd:)/;

/**
 * One pass over `/proc` serves all candidates: every file on the host that some process has open for writing. Files are
 * compared by device and inode, since a container sees other paths. Processes of other users stay unseen unless we are root:
 * there the quiet time of `source.settle` is all that is known.
 */
export const findOpenFiles = (): OpenFiles => {
  const writers = new OpenFiles();
  for (const pid of readdirSync('/proc')) {
    // We hold thousands open while they are sent, and write none.
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    for (const descriptor of listQuietly(`/proc/${pid}/fd`)) {
      const file = writtenFile(`/proc/${pid}/fd/${descriptor}`);
      if (file !== undefined) writers.add(file, Number(pid));
    }
  }
  return writers;
};

/** The writers as they were at most so many milliseconds ago: one look serves several directories. */
export type OpenFilesView = (maxAgeMs: number) => OpenFiles;

export const createOpenFilesView = (): OpenFilesView => {
  let seen: OpenFiles | undefined;
  let seenAt = 0;
  return (maxAgeMs) => {
    if (seen !== undefined && performance.now() - seenAt <= maxAgeMs) return seen;
    seen = findOpenFiles();
    seenAt = performance.now();
    return seen;
  };
};

const writtenFile = (link: string): Inode | undefined => {
  try {
    if (NOT_A_REGULAR_FILE.test(readlinkSync(link)) || (lstatSync(link).mode & WRITABLE) === 0) return undefined;
    return statSync(link, { bigint: true });
  } catch {
    return undefined; // Closed, or the process ended, since it was listed.
  }
};

const listQuietly = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Ended meanwhile, or not ours to look into.
  }
};
