import { createSemaphore } from '../core/semaphore.ts';
import { TransportError } from '../errors.ts';
import { wholeSeconds } from '../identity.ts';
import type { Name } from '../name.ts';
import type { Discrepancy, ExpectedFile, Transport } from '../transport.ts';
import { FILES_A_BATCH, FolderCheck, type LocalFile } from './folder-check.ts';

export interface VerificationOptions<File extends LocalFile> {
  readonly root: Name;
  readonly directory: Name;
  readonly destinations: readonly Transport[];
  /** Compare content, not only size and mtime. */
  readonly checksum: boolean;
  /** Called for each file and each destination where it is missing or different. */
  readonly different: (discrepancy: Discrepancy, file: File, destination: string) => void;
  /** Called for a file that a destination does not let us check: the others of its batch are checked. Without it all of them fail. */
  readonly uncheckable?: (error: TransportError, destination: string) => void;
  /** Called once for each file that every destination has. */
  readonly equal?: (file: File) => void;
  readonly signal: AbortSignal;
}

/** With more of them it is no matter of single files. */
const MOST_UNCHECKABLE = 20;
const BATCHES_AT_ONCE = 8;
/** A folder is listed as a whole where at least one in so many of its files is to be checked. */
const LISTED_FOR_ONE = 16;

/**
 * Checks the files of one directory at every destination while a listing of the source goes on beside: in batches, or by one listing
 * of the folder at the destination where that costs less.
 */
export class Verification<File extends LocalFile = LocalFile> {
  readonly #options: VerificationOptions<File>;
  readonly #canList: boolean;
  readonly #slots = createSemaphore(() => BATCHES_AT_ONCE);
  readonly #running: Promise<void>[] = [];
  #batch: File[] = [];
  #folder: Name | undefined;
  /** Files of the current folder so far: all, and those to be checked. */
  #seen = 0;
  #wanted = 0;
  #check: FolderCheck<File> | undefined;
  #uncheckable = 0;

  constructor(options: VerificationOptions<File>) {
    this.#options = options;
    this.#canList = !options.checksum && options.destinations.every(({ list }) => list !== undefined);
  }

  /** A file that need not be checked. Files of one folder come together. A promise holds the caller's listing back. */
  pass(path: Name): Promise<void> | undefined {
    const entering = this.#enterFolderOf(path);
    this.#seen += 1;
    return entering;
  }

  /** A file to check. */
  add(file: File): Promise<void> | undefined {
    const entering = this.pass(file.path);
    this.#wanted += 1;
    if (entering !== undefined) return entering.then(() => this.#take(file));
    if (this.#check !== undefined) return this.#check.add(file);
    if (this.#batch.length + 1 >= FILES_A_BATCH) return this.#take(file);
    this.#batch.push(file); // Nothing to await: this is a hot path.
    return undefined;
  }

  /** Resolves when all are checked; rejects with the first error of a destination, after the others are checked as well. */
  async end(): Promise<void> {
    await this.#flush();
    await this.#leaveFolder('');
    await settleAll(this.#running);
  }

  async #take(file: File): Promise<void> {
    this.#batch.push(file);
    if (this.#batch.length < FILES_A_BATCH) return;
    if (this.#isWorthListing()) {
      const { directory } = this.#options;
      const folder = this.#folder ?? '';
      this.#check = new FolderCheck(folder === '' ? directory : `${directory}/${folder}`, {
        destinations: this.#options.destinations,
        verify: (files) => this.#verify(files),
        equal: (one) => this.#options.equal?.(one),
        signal: this.#options.signal,
      });
      // What came before them is of other folders.
      for (const one of this.#batch.splice(Math.max(0, this.#batch.length - this.#wanted))) await this.#check.add(one);
    } else await this.#flush();
  }

  #isWorthListing(): boolean {
    return this.#canList && this.#wanted * 2 >= FILES_A_BATCH && this.#wanted * LISTED_FOR_ONE >= this.#seen;
  }

  #enterFolderOf(path: Name): Promise<void> | undefined {
    const slash = path.lastIndexOf('/');
    const folder = slash === -1 ? '' : path.slice(0, slash);
    return folder === this.#folder ? undefined : this.#leaveFolder(folder);
  }

  #leaveFolder(next: Name): Promise<void> | undefined {
    const check = this.#check;
    this.#folder = next;
    this.#seen = 0;
    this.#wanted = 0;
    this.#check = undefined;
    return check === undefined ? undefined : this.#start(() => check.end());
  }

  #flush(): Promise<void> | undefined {
    const files = this.#batch;
    this.#batch = [];
    return files.length === 0 ? undefined : this.#start(() => this.#verify(files));
  }

  /** Runs `work` beside the caller's listing as soon as a slot is free. */
  async #start(work: () => Promise<void>): Promise<void> {
    await this.#slots.acquire(1);
    const result = work().finally(() => this.#slots.release(1));
    result.catch(() => undefined); // `end` reports it.
    this.#running.push(result);
  }

  /** Asks every destination for each of the files. */
  async #verify(files: readonly File[]): Promise<void> {
    const { root, directory, destinations, different, equal } = this.#options;
    const expected = new Map(files.map((file) => [expect(root, directory, file), file]));
    const wrong = new Set<File>();
    const verifyAt = async (transport: Transport): Promise<void> => {
      const uncheckable = (one: ExpectedFile): void => {
        const file = expected.get(one);
        if (file !== undefined) wrong.add(file);
      };
      for (const discrepancy of await this.#askFor([...expected.keys()], transport, uncheckable)) {
        const file = expected.get(discrepancy.file);
        if (file === undefined) throw new Error(`${transport.label} answered for a file that it was not asked for`);
        wrong.add(file);
        different(discrepancy, file, transport.label);
      }
    };
    await settleAll(destinations.map(verifyAt));
    if (equal !== undefined) for (const file of files) if (!wrong.has(file)) equal(file);
  }

  /** One file that cannot be checked fails its whole batch, which is halved until that file is alone. */
  async #askFor(
    files: readonly ExpectedFile[],
    transport: Transport,
    noteUncheckable: (file: ExpectedFile) => void,
  ): Promise<Discrepancy[]> {
    const { checksum, signal, uncheckable } = this.#options;
    try {
      return await transport.verify(files, { checksum }, signal);
    } catch (error) {
      const isOfFile = error instanceof TransportError && error.class === 'file' && !signal.aborted;
      if (!isOfFile || uncheckable === undefined || this.#uncheckable >= MOST_UNCHECKABLE) throw error;
      const [only] = files;
      if (files.length === 1 && only !== undefined) {
        this.#uncheckable += 1;
        noteUncheckable(only);
        uncheckable(error, transport.label);
        return [];
      }
      const middle = Math.ceil(files.length / 2);
      const first = await this.#askFor(files.slice(0, middle), transport, noteUncheckable);
      return [...first, ...(await this.#askFor(files.slice(middle), transport, noteUncheckable))];
    }
  }
}

const expect = (root: Name, directory: Name, { path, size, mtimeNs }: LocalFile): ExpectedFile => {
  const targetPath = `${directory}/${path}`;
  return { sourcePath: `${root}/${targetPath}`, targetPath, size, mtimeSeconds: wholeSeconds(mtimeNs) };
};

/** Waits for all of them, and only then rejects with the first error: one destination that is down must not hide what the others say. */
const settleAll = async (promises: readonly Promise<void>[]): Promise<void> => {
  const failed = (await Promise.allSettled(promises)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
};
