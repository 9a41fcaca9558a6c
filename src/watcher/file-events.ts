import type { Name } from '../name.ts';

/**
 * An event in one watched folder. All events are hints: a reported file is examined again before it is sent, and an
 * unreported one is found by the next listing. Paths are relative to the watched folder; '' is the folder itself.
 */
export type FileEvent =
  /** A writer closed the file, or it was renamed into place: complete unless it is opened again. */
  | { readonly kind: 'closed'; readonly path: Name }
  /** A change of this name; undefined: of a name that the source could not decode. */
  | { readonly kind: 'hint'; readonly path: Name | undefined }
  /** A folder was created or moved in. */
  | { readonly kind: 'folder'; readonly path: Name }
  /** List this folder now: changes before it, or lost between events, are reported by nothing else. */
  | { readonly kind: 'rescan'; readonly path: Name; readonly why: RescanReason }
  /** The watched folder was removed, renamed or unmounted. The last event. */
  | { readonly kind: 'gone' };

/**
 * `ready` the watch is established · `overflow` the kernel dropped events · `restart` the source died and was restarted ·
 * `lag` the event loop was late and may have missed an overflow · `error` this folder cannot be watched (now).
 */
export type RescanReason = 'ready' | 'overflow' | 'restart' | 'lag' | 'error';

export type OnFileEvent = (event: FileEvent) => void;

/** A watched folder. Emits `rescan` with `ready` once the watch is established: a listing from then on misses nothing. */
export interface FolderWatch extends AsyncDisposable {
  /** Resolves when the watch is established or has failed; never rejects. */
  readonly ready: Promise<void>;
  /** Events arrive: false before the watch is established, while its source is dead, and after `gone`. */
  readonly isUp: boolean;
}

/** Receives a failure of a source, for the log. */
export type ReportFailure = (message: string, hint: string) => void;
