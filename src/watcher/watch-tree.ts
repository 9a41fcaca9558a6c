import type { Name } from '../name.ts';
import type { IsExcluded } from '../source/scanner.ts';
import type { FileEvent, FolderWatch, OnFileEvent, RescanReason } from './file-events.ts';
import { inodeOfFolder, subFolders } from './sub-folders.ts';

/** A directory with its sub-folders. */
export interface TreeWatch extends FolderWatch {
  /** Watches a sub-folder that a listing found, unless it is watched: its creation event may have been lost. */
  ensureWatched(path: Name): void;
}

export interface TreeOptions {
  readonly isExcluded: IsExcluded;
  /** Starts one watch; undefined at the limit of watches. */
  readonly watchSubFolder: (folder: Name, onEvent: OnFileEvent) => FolderWatch | undefined;
  readonly watchTop: (folder: Name, onEvent: OnFileEvent) => FolderWatch;
}

/**
 * Each folder has its own watch, established before the folder is listed: a recursive source loses files written right after
 * a `mkdir`. A caller that lists the folder of each `rescan` event misses nothing.
 */
export const watchTree = (directory: Name, options: TreeOptions, onEvent: OnFileEvent): TreeWatch =>
  new FolderTree(directory, options, onEvent);

class FolderTree implements TreeWatch {
  readonly #directory: Name;
  readonly #options: TreeOptions;
  readonly #onEvent: OnFileEvent;
  readonly #top: FolderWatch;
  readonly #watched = new Map<Name, { readonly watch: FolderWatch; readonly ino: bigint | undefined }>();
  readonly #closing = new Set<Promise<void>>();
  #isOver = false;

  constructor(directory: Name, options: TreeOptions, onEvent: OnFileEvent) {
    this.#directory = directory;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#top = options.watchTop(directory, (event) => {
      if (!this.#isOver) this.#onFolderEvent('', event);
    });
  }

  get ready(): Promise<void> {
    return this.#top.ready;
  }

  get isUp(): boolean {
    return this.#top.isUp;
  }

  ensureWatched(path: Name): void {
    this.#watch(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const path of this.#watched.keys()) this.#unwatch(path);
    await Promise.all([this.#top[Symbol.asyncDispose](), ...this.#closing]);
  }

  /** Returns false at the limit of watches: then no `ready` event will request a listing of it. */
  #watch(path: Name): boolean {
    if (this.#isOver || this.#watched.has(path) || this.#options.isExcluded(path)) return true;
    const ino = this.#inodeOf(path);
    const watch = this.#options.watchSubFolder(`${this.#directory}/${path}`, (event) => {
      // A late event of a replaced watch is not about the folder that has this name now.
      if (!this.#isOver && this.#watched.get(path)?.watch === watch) this.#onFolderEvent(path, event);
    });
    if (watch !== undefined) this.#watched.set(path, { watch, ino });
    return watch !== undefined;
  }

  #rewatch(path: Name): void {
    const known = this.#watched.get(path);
    // Another folder took its name before the first one was reported gone (chokidar never reports it).
    if (known !== undefined && known.ino !== this.#inodeOf(path)) this.#forget(path);
    if (!this.#watch(path)) this.#onRescan(path, 'ready');
  }

  #onFolderEvent(folder: Name, event: FileEvent): void {
    if (event.kind === 'gone') {
      if (folder === '') this.#onEvent(event);
      else this.#onGone(folder);
    } else if (event.kind === 'rescan') this.#onRescan(joinPath(folder, event.path), event.why);
    else if (event.kind === 'folder') {
      const path = joinPath(folder, event.path);
      this.#onEvent({ kind: 'folder', path });
      this.#rewatch(path);
    } else if (event.path === undefined) this.#onEvent(event);
    else this.#onEvent({ kind: event.kind, path: joinPath(folder, event.path) });
  }

  #onRescan(folder: Name, why: RescanReason): void {
    // Watches before the listing: the lost event may be the creation of a sub-folder.
    for (const name of subFolders(`${this.#directory}/${folder}`)) this.#rewatch(joinPath(folder, name));
    this.#onEvent({ kind: 'rescan', path: folder, why });
  }

  #onGone(folder: Name): void {
    this.#forget(folder);
    if (this.#inodeOf(folder) !== undefined) this.#rewatch(folder);
  }

  #forget(folder: Name): void {
    for (const path of this.#watched.keys()) if (path === folder || path.startsWith(`${folder}/`)) this.#unwatch(path);
  }

  #unwatch(path: Name): void {
    const watch = this.#watched.get(path)?.watch;
    this.#watched.delete(path);
    if (watch === undefined) return;
    const closed = close(watch).finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  #inodeOf(path: Name): bigint | undefined {
    return inodeOfFolder(`${this.#directory}/${path}`);
  }
}

/** '' is the watched folder itself. */
const joinPath = (folder: Name, path: Name): Name =>
  folder === '' ? path : path === '' ? folder : `${folder}/${path}`;

const close = async (watch: FolderWatch): Promise<void> => {
  await watch[Symbol.asyncDispose]();
};
