import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FileIdentity } from '../identity.ts';
import { parseWritableMappings } from './writable-mappings.ts';

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

/** In the mode of a descriptor's link: open for writing (as lsof reads it). */
const WRITABLE = 0o200;
// The bulk of all descriptors, and no regular file: recognized by the link's text, which saves two calls for each. Not all of
// /dev: /dev/shm is a file system, and others may be mounted there.
const NOT_A_REGULAR_FILE = /^(?:[a-z_]+:|\/dev\/(?:null|zero|tty|ptmx|pts\/\d+)(?: |$)|\/proc\/|\/sys\/|\/memfd:)/;

/**
 * One pass over `/proc` serves all candidates: every regular file on the host that another process has open for writing, or
 * mapped shared and writable (the descriptor may be closed then). Files are compared by device and inode, since a container
 * sees other paths. As a user other than root only the processes of that user are visible; for files of other writers the
 * quiet time of `source.settle` decides alone. With 450 processes the descriptors take 33 ms and the mappings 25 ms.
 */
export const findOpenFiles = (): OpenFiles => {
  const writers = new OpenFiles();
  for (const pid of otherProcesses()) addProcess(writers, pid);
  return writers;
};

/** The same in small portions: what else is to be done goes on meanwhile. */
export const findOpenFilesInTurns = async (): Promise<OpenFiles> => {
  const writers = new OpenFiles();
  for (const pid of otherProcesses()) {
    addProcess(writers, pid);
    await nextTurn();
  }
  return writers;
};

// This process holds thousands of descriptors while it sends, and writes none of the files.
const otherProcesses = (): string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);

const addProcess = (writers: OpenFiles, pid: string): void => {
  addOpenForWriting(writers, pid);
  addMappedForWriting(writers, pid);
};

/** The open files as of at most so many milliseconds ago: one pass over `/proc` serves several directories. */
export type OpenFilesView = (maxAgeMs: number) => OpenFiles;

export const createOpenFilesView = (): OpenFilesView => {
  let seen: OpenFiles | undefined;
  let seenAt = 0;
  return (maxAgeMs) => {
    if (seen !== undefined && performance.now() - seenAt <= maxAgeMs) return seen;
    const begunAt = performance.now(); // A process that maps a file while we look may have been passed by.
    seen = findOpenFiles();
    seenAt = begunAt;
    return seen;
  };
};

const addOpenForWriting = (writers: OpenFiles, pid: string): void => {
  const folder = `/proc/${pid}/fd`;
  // Undefined: the process ended, or belongs to another user.
  for (const descriptor of attempt(() => readdirSync(folder)) ?? []) {
    const link = `${folder}/${descriptor}`;
    const file = attempt(() =>
      NOT_A_REGULAR_FILE.test(readlinkSync(link)) || (lstatSync(link).mode & WRITABLE) === 0
        ? undefined
        : statFile(link),
    );
    if (file !== undefined) writers.add(file, Number(pid));
  }
};

const addMappedForWriting = (writers: OpenFiles, pid: string): void => {
  const maps = attempt(() => readFileSync(`/proc/${pid}/maps`, 'latin1'));
  if (maps === undefined) return;
  for (const { range, dev, ino, path } of parseWritableMappings(maps)) {
    if (NOT_A_REGULAR_FILE.test(path)) continue;
    // The device in maps is not st_dev on every file system (btrfs, older overlayfs): stat the file itself.
    const file = attempt(() => statFile(`/proc/${pid}/map_files/${range}`));
    if (file !== undefined) {
      writers.add(file, Number(pid));
      continue;
    }
    // map_files needs CAP_CHECKPOINT_RESTORE. A false entry here costs a delay only.
    writers.add({ dev, ino }, Number(pid));
    const byPath = attempt(() => statFile(Buffer.from(`/proc/${pid}/root${path}`, 'latin1')));
    if (byPath !== undefined) writers.add(byPath, Number(pid));
  }
};

const statFile = (path: string | Buffer): Inode | undefined => {
  const stats = statSync(path, { bigint: true });
  return stats.isFile() ? stats : undefined;
};

/** Undefined on an error: the descriptor was closed, the process ended, or it belongs to another user. */
const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    return undefined;
  }
};
