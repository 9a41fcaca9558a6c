import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isOutOfDescriptors } from '../errors.ts';
import type { FileIdentity } from '../identity.ts';
import { parseDescriptor, parseMounts, type Mount } from './mount-table.ts';
import { parseWritableMappings } from './writable-mappings.ts';

type Inode = Pick<FileIdentity, 'dev' | 'ino'>;

/** An open file on a mount that nobody has any more: its device is asked for only where a file has its inode number. */
interface StrayFile {
  readonly ino: bigint;
  readonly look: () => Inode | undefined;
}

interface Writer {
  readonly pid: number;
  readonly file: Inode | StrayFile;
}

/** Which process has which file open for writing. */
export class OpenFiles {
  /** Keyed by inode number alone: looked up for every file of a listing, and a text key of both numbers cost more than the lookup. */
  readonly #seen = new Map<bigint, Writer[]>();

  add(file: Inode | StrayFile, pid: number): void {
    const known = this.#seen.get(file.ino);
    if (known === undefined) this.#seen.set(file.ino, [{ pid, file }]);
    else if ('look' in file || !known.some((one) => 'dev' in one.file && one.file.dev === file.dev))
      known.push({ pid, file });
  }

  /** The id of a process that has the file open for writing, if any. */
  writerOf({ dev, ino }: Inode): number | undefined {
    return this.#seen.get(ino)?.find(({ file }) => ('look' in file ? file.look()?.dev : file.dev) === dev)?.pid;
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
  const look = new Look();
  for (const pid of otherProcesses()) look.addProcess(pid);
  return look.writers;
};

/** The same in small portions: what else is to be done goes on meanwhile. */
export const findOpenFilesInTurns = async (): Promise<OpenFiles> => {
  const look = new Look();
  for (const pid of otherProcesses()) {
    look.addProcess(pid);
    await nextTurn();
  }
  return look.writers;
};

// This process holds thousands of descriptors while it sends, and writes none of the files.
const otherProcesses = (): string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);

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

/**
 * One look at all processes. Files of a file system that a server or another process answers for are never touched: a `stat` of one
 * descriptor on a mount whose server hangs would stop this process, for a file that has nothing to do with it.
 */
class Look {
  readonly writers = new OpenFiles();
  readonly #mounts = new Map<string, Mount>();
  /** Whose mounts are known. */
  readonly #asked = new Set<string>();
  /** By device: may it hang? */
  readonly #devices = new Map<bigint, boolean>();

  constructor() {
    this.#learnMounts('self');
  }

  addProcess(pid: string): void {
    if (this.#addThread(pid, pid)) return;
    for (const thread of threadsThatOutlive(pid)) if (this.#addThread(pid, thread)) return;
  }

  /** Returns whether it has descriptors. All threads of a process have the same. */
  #addThread(pid: string, thread: string): boolean {
    // None where the process ended, or belongs to another user.
    const descriptors = attempt(() => readdirSync(`/proc/${thread}/fd`)) ?? [];
    for (const descriptor of descriptors) {
      const link = `/proc/${thread}/fd/${descriptor}`;
      const file = attempt(() =>
        NOT_A_REGULAR_FILE.test(readlinkSync(link)) || (lstatSync(link).mode & WRITABLE) === 0
          ? undefined
          : this.#fileOf(thread, descriptor),
      );
      if (file !== undefined) this.writers.add(file, Number(pid));
    }
    this.#addMappings(pid, thread);
    return descriptors.length > 0;
  }

  #fileOf(thread: string, descriptor: string): Inode | StrayFile | undefined {
    const look = () => attempt(() => statFile(`/proc/${thread}/fd/${descriptor}`));
    const facts = attempt(() => parseDescriptor(readShort(`/proc/${thread}/fdinfo/${descriptor}`)));
    if (facts?.ino === undefined) return look();
    const { mountId, ino } = facts;
    if (!this.#mounts.has(mountId)) this.#learnMounts(thread);
    const mount = this.#mounts.get(mountId);
    // `umount -l` took it away, as one does with a mount that hangs.
    if (mount === undefined) return { ino, look };
    return mount.mayHang ? { dev: mount.dev, ino } : look();
  }

  #addMappings(pid: string, thread: string): void {
    const maps = attempt(() => readFileSync(`/proc/${thread}/maps`, 'latin1'));
    if (maps === undefined) return;
    for (const { range, dev, ino, path } of parseWritableMappings(maps)) {
      if (NOT_A_REGULAR_FILE.test(path)) continue;
      // The device in maps is not st_dev on every file system (btrfs, older overlayfs): stat the file itself.
      const mayHang = this.#mayHang(dev, thread);
      const file = mayHang ? undefined : attempt(() => statFile(`/proc/${thread}/map_files/${range}`));
      if (file !== undefined) {
        this.writers.add(file, Number(pid));
        continue;
      }
      // map_files needs CAP_CHECKPOINT_RESTORE. A false entry here costs a delay only.
      this.writers.add({ dev, ino }, Number(pid));
      if (mayHang) continue;
      const byPath = attempt(() => statFile(Buffer.from(`/proc/${thread}/root${path}`, 'latin1')));
      if (byPath !== undefined) this.writers.add(byPath, Number(pid));
    }
  }

  #mayHang(dev: bigint, thread: string): boolean {
    if (!this.#devices.has(dev)) this.#learnMounts(thread);
    return this.#devices.get(dev) ?? true;
  }

  #learnMounts(process: string): void {
    if (this.#asked.has(process)) return;
    this.#asked.add(process);
    const mountinfo = attempt(() => readFileSync(`/proc/${process}/mountinfo`, 'latin1')) ?? '';
    for (const [id, mount] of parseMounts(mountinfo)) {
      this.#mounts.set(id, mount);
      this.#devices.set(mount.dev, mount.mayHang);
    }
  }
}

/** Threads of a process whose first one has ended: its own tables are empty then, and `/proc` has theirs under their numbers. */
const threadsThatOutlive = (pid: string): string[] =>
  (attempt(() => readdirSync(`/proc/${pid}/task`)) ?? []).filter((thread) => thread !== pid);

const piece = Buffer.allocUnsafe(1024);

/** What `readFileSync` does, in half of the time, for a file that ends within a kilobyte. */
const readShort = (path: string): string => {
  const opened = openSync(path, constants.O_RDONLY);
  try {
    return piece.toString('latin1', 0, readSync(opened, piece));
  } finally {
    closeSync(opened);
  }
};

const statFile = (path: string | Buffer): Inode | undefined => {
  const stats = statSync(path, { bigint: true });
  return stats.isFile() ? stats : undefined;
};

/**
 * Undefined on an error: the descriptor was closed, the process ended, or it belongs to another user.
 * @throws where this process has no descriptor left: a look that sees nothing would pass for one that finds nobody
 */
const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error;
    return undefined;
  }
};
