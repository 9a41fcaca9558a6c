import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** Who has which file open for writing: keys by `fileKey`, values are process ids. */
export type Writers = ReadonlyMap<string, number>;

export const fileKey = (file: { readonly dev: bigint; readonly ino: bigint }): string => `${file.dev}:${file.ino}`;

const O_ACCMODE = 3;
// Never the files of a parser, and the bulk of all descriptors.
const NOT_A_DATA_FILE = /^(?:[a-z_]+:|\/dev\/|\/proc\/|\/sys\/|\/memfd:)/;

/**
 * One pass over `/proc` serves all candidates: every file on the host that some process has open for writing. Files are
 * compared by device and inode, since a container sees other paths. Processes of other users stay unseen unless we are root:
 * there the quiet time of `source.settle` is all that is known.
 */
export const findWriters = (): Writers => {
  const writers = new Map<string, number>();
  for (const pid of readdirSync('/proc')) {
    // We hold thousands open while they are sent, and write none.
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    for (const descriptor of listQuietly(`/proc/${pid}/fd`)) {
      const key = writtenFile(`/proc/${pid}`, descriptor);
      if (key !== undefined) writers.set(key, Number(pid));
    }
  }
  return writers;
};

/** The writers as they were at most so many milliseconds ago: one look serves several directories. */
export type WritersView = (maxAgeMs: number) => Writers;

export const createWritersView = (): WritersView => {
  let seen: Writers | undefined;
  let seenAt = 0;
  return (maxAgeMs) => {
    if (seen !== undefined && performance.now() - seenAt <= maxAgeMs) return seen;
    seen = findWriters();
    seenAt = performance.now();
    return seen;
  };
};

const writtenFile = (folder: string, descriptor: string): string | undefined => {
  try {
    if (NOT_A_DATA_FILE.test(readlinkSync(`${folder}/fd/${descriptor}`))) return undefined;
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`${folder}/fdinfo/${descriptor}`, 'latin1'))?.[1] ?? '0';
    if ((parseInt(flags, 8) & O_ACCMODE) === 0) return undefined;
    return fileKey(statSync(`${folder}/fd/${descriptor}`, { bigint: true }));
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
