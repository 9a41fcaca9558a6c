import { wholeSeconds } from '../identity.ts';
import type { Name } from '../name.ts';
import type { Transport } from '../transport.ts';
import { readFolderListing, type FolderListing } from './folder-listing.ts';

/** A file of the source that a destination is asked for. */
export interface LocalFile {
  /** Below the directory. */
  readonly path: Name;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

export interface FolderCheckOptions<File> {
  readonly destinations: readonly Transport[];
  /** Asks for files one by one: for what a listing did not show, for the words, and for what came since. */
  readonly verify: (files: readonly File[]) => Promise<void>;
  readonly equal: (file: File) => void;
  readonly signal: AbortSignal;
}

export const FILES_A_BATCH = 1000;
/** Files that wait, with their names, until the listing of their folder is there; with more than these the caller waits too. */
const MOST_WAITING = 64_000;

/** One listing of a folder at every destination; files are compared with it, now or when it is there. */
export class FolderCheck<File extends LocalFile> {
  readonly #options: FolderCheckOptions<File>;
  readonly #ready: Promise<void>;
  #views: readonly FolderListing[] = [];
  #waiting: File[] = [];

  constructor(folder: Name, options: FolderCheckOptions<File>) {
    this.#options = options;
    this.#ready = this.#read(folder);
    this.#ready.catch(() => undefined); // `end` reports it.
  }

  add(file: File): Promise<void> | undefined {
    const isReady = this.#views.length > 0;
    if (isReady && this.#isShown(file)) {
      this.#options.equal(file);
      return undefined;
    }
    return this.#waiting.push(file) >= (isReady ? FILES_A_BATCH : MOST_WAITING) ? this.end() : undefined;
  }

  /** Checks what waits. */
  async end(): Promise<void> {
    await this.#ready;
    const files = this.#waiting;
    this.#waiting = [];
    const doubtful = files.filter((file) => !this.#isShown(file));
    for (const file of files) if (this.#isShown(file)) this.#options.equal(file);
    if (doubtful.length > 0) await this.#options.verify(doubtful);
  }

  async #read(folder: Name): Promise<void> {
    const { destinations, signal } = this.#options;
    this.#views = await Promise.all(destinations.map((transport) => readFolderListing(transport, folder, signal)));
  }

  #isShown({ path, size, mtimeNs }: LocalFile): boolean {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return this.#views.every((view) => view.has(name, Number(size), wholeSeconds(mtimeNs)));
  }
}
