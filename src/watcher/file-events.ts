import type { Name } from '../name.ts';

/**
 * What a source says about one watched folder. All of it is hints: what is reported is looked at again before it is sent, and
 * what is not reported is found by the next listing. Paths are below the watched folder; '' is the folder itself.
 */
export type FileEvent =
  /** A writer closed the file, or it was renamed into place: it is complete unless somebody opens it again. */
  | { readonly kind: 'closed'; readonly path: Name }
  /** Something happened to this name; undefined: to a name that the source could not tell. */
  | { readonly kind: 'hint'; readonly path: Name | undefined }
  /** A folder was made or moved in. */
  | { readonly kind: 'folder'; readonly path: Name }
  /** List this folder now: what came before or between the events is not told otherwise. */
  | { readonly kind: 'rescan'; readonly path: Name; readonly why: RescanReason }
  /** The watched folder was removed, renamed or unmounted. Nothing more will be said. */
  | { readonly kind: 'gone' };

/**
 * `ready` the watch is established · `overflow` the kernel dropped events · `restart` the source died and is back ·
 * `lag` the event loop was late, so that an overflow may have gone unseen · `error` this folder cannot be watched (now).
 */
export type RescanReason = 'ready' | 'overflow' | 'restart' | 'lag' | 'error';

export type OnFileEvent = (event: FileEvent) => void;

/** A watched folder. It says `rescan` with `ready` once it is established, so that who lists then misses nothing. */
export interface FolderWatch extends AsyncDisposable {
  /** Resolves when the watch is established, or when it is known that it cannot be; never rejects. */
  readonly ready: Promise<void>;
  /** Events arrive: false before it is established, while its source is dead, and when it is gone. */
  readonly isUp: boolean;
}

/** Trouble of a source, for the log. */
export type TellTrouble = (message: string, hint: string) => void;
