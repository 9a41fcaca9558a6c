import type { FSWatcher } from 'chokidar';
import { errorMessage } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import type { FileEvent, FolderWatch, OnFileEvent, ReportFailure } from './file-events.ts';
import { reachedLimit, type ReachedLimit } from './inotify-limits.ts';
import { inodeOfFolder } from './sub-folders.ts';

export interface ChokidarOptions {
  readonly reportFailure: ReportFailure;
  readonly reportLimit: (limit: ReachedLimit) => void;
  /** Calls back after an event loop delay that may hide an overflow. Returns a function that unsubscribes. */
  readonly onLag: (callback: () => void) => () => void;
}

/**
 * Hints only: libuv does not subscribe to close events and drops a queue overflow silently. Not `awaitWriteFinish`: it takes
 * a pause in writing for the end of the file.
 */
export const watchWithChokidar = (folder: Name, options: ChokidarOptions, onEvent: OnFileEvent): FolderWatch =>
  new ChokidarFolder(folder, options, onEvent);

class ChokidarFolder implements FolderWatch {
  readonly #folder: Name;
  readonly #options: ChokidarOptions;
  readonly #onEvent: OnFileEvent;
  readonly #ready = Promise.withResolvers<undefined>();
  readonly #starting: Promise<void>;
  #state: 'starting' | 'up' | 'dead' | 'stopped' = 'starting';
  #close = (): Promise<void> => Promise.resolve();

  constructor(folder: Name, options: ChokidarOptions, onEvent: OnFileEvent) {
    this.#folder = folder;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#starting = this.#start();
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = 'stopped';
    this.#ready.resolve(undefined);
    await this.#starting;
    await this.#close();
  }

  async #start(): Promise<void> {
    // No event before the caller has this object: the caller compares it to identify the watch of an event.
    await Promise.resolve();
    if (this.#isStopped()) return;
    if (!this.#folder.isWellFormed()) {
      this.#fail(new Error('its name is not valid UTF-8'));
      return;
    }
    // Loaded on demand: most hosts have inotifywait.
    const { watch } = await import('chokidar');
    if (this.#isStopped()) return;
    if (inodeOfFolder(this.#folder) === undefined) {
      this.#die({ kind: 'gone' });
      return;
    }
    this.#listen(watch(this.#folder, { depth: 0, ignoreInitial: true, atomic: false, followSymlinks: false }));
  }

  #listen(watcher: FSWatcher): void {
    const stopLag = this.#options.onLag(() => {
      if (this.isUp) this.#onEvent({ kind: 'rescan', path: '', why: 'lag' });
    });
    this.#close = async () => {
      stopLag();
      await watcher.close();
    };
    watcher.on('error', (error) => this.#fail(error));
    watcher.on('ready', () => {
      if (this.#state !== 'starting') return;
      this.#state = 'up';
      this.#onEvent({ kind: 'rescan', path: '', why: 'ready' });
      this.#ready.resolve(undefined);
    });
    watcher.on('all', (event, path) => {
      if (this.isUp) this.#onChange(event, path);
    });
    watcher.on('raw', (event, path) => {
      if (this.isUp && typeof path === 'string') this.#onRaw(event, path);
    });
  }

  /** What the kernel said, before chokidar compares names: it misses a folder that takes the name of another one. */
  #onRaw(event: string, name: string): void {
    // A name that is not UTF-8 arrives with U+FFFD in place of its bytes: the file cannot be found by it.
    if (name.includes('\ufffd')) this.#onEvent({ kind: 'hint', path: undefined });
    else if (event === 'rename' && inodeOfFolder(`${this.#folder}/${name}`) !== undefined)
      this.#onEvent({ kind: 'folder', path: name });
  }

  #onChange(event: string, path: string): void {
    if (path === this.#folder) {
      if (event === 'unlinkDir') this.#die({ kind: 'gone' });
      return;
    }
    const name = path.slice(this.#folder.length + 1);
    if (event === 'addDir') this.#onEvent({ kind: 'folder', path: name });
    else if (event === 'add' || event === 'change') this.#onEvent({ kind: 'hint', path: name });
  }

  #fail(error: unknown): void {
    if (this.#state !== 'starting') return this.#onEvent({ kind: 'rescan', path: '', why: 'error' });
    const limit = reachedLimit(errorMessage(error));
    if (limit === undefined) {
      this.#options.reportFailure(
        `Cannot watch "${showName(this.#folder)}": ${showName(errorMessage(error))}`,
        'files in it are found by the rescan alone',
      );
    } else this.#options.reportLimit(limit);
    this.#die({ kind: 'rescan', path: '', why: 'error' });
  }

  #die(event: FileEvent): void {
    if (this.#state === 'dead' || this.#state === 'stopped') return;
    this.#state = 'dead';
    this.#onEvent(event);
    this.#ready.resolve(undefined);
    void this.#close();
  }

  /** A method: the state may change while `#start` waits. */
  #isStopped(): boolean {
    return this.#state === 'stopped';
  }
}
