import type { Name } from '../name.ts';
import type { TransportErrorClass } from '../errors.ts';
import type { RefusalKind } from './receiver-figures.ts';

/** Why a file is not sent yet, although nothing is wrong with it. */
export type HeldBackReason =
  | { readonly kind: 'settling'; readonly secondsLeft: number }
  | { readonly kind: 'open-for-writing'; readonly pid: number }
  /** It is named like a marker or a temporary file of isocket, and can never be sent so. */
  | { readonly kind: 'reserved-name' }
  /** It is marked and no record says why: the destination is asked first. */
  | { readonly kind: 'claim' };

/** Everything worth telling about a run. Reporters turn them into text, JSON lines or a progress bar; tests wait for them. */
export type IsocketEvent =
  | { readonly type: 'config'; readonly path: string }
  | StartedEvent
  | StoppedEvent
  | { readonly type: 'note'; readonly level: 'info' | 'warning'; readonly message: string }
  | { readonly type: 'watching'; readonly message: string }
  /** Where somebody may ask how it goes. */
  | { readonly type: 'listening'; readonly message: string }
  | { readonly type: 'complete'; readonly path: Name }
  | { readonly type: 'planned'; readonly path: Name; readonly bytes: number; readonly phase: 'open' | 'closed' }
  | { readonly type: 'held-back'; readonly path: Name; readonly reason: HeldBackReason }
  | { readonly type: 'skipped'; readonly path: Name; readonly kind: SkippedKind }
  | ClaimsEvent
  | { readonly type: 'found'; readonly directory: Name; readonly files: number; readonly bytes: number }
  /** The listing is through: what is found from here on was not there before. */
  | { readonly type: 'found-all' }
  /** So many are looked through, one after another or side by side. */
  | {
      readonly type: 'directories';
      readonly count: number;
      /** What is in them, where each says so in its `finished.watch`. */
      readonly total?: { readonly files: number; readonly bytes: number };
    }
  | { readonly type: 'compared'; readonly directory: Name; readonly files: number; readonly bytes: number }
  | { readonly type: 'looked-through'; readonly directory: Name }
  | { readonly type: 'sent'; readonly path: Name; readonly bytes: number }
  | FailedEvent
  | {
      readonly type: 'connection';
      readonly destination: string;
      readonly state: 'lost';
      readonly class: TransportErrorClass;
      readonly message: string;
      readonly hint?: string;
      readonly retrying: boolean;
    }
  | { readonly type: 'connection'; readonly destination: string; readonly state: 'restored' }
  /** It was sent, and a destination does not have it so: its mark is taken off, and it goes again. */
  | { readonly type: 'refuted'; readonly path: Name; readonly detail: string }
  | {
      readonly type: 'discrepancy';
      readonly path: Name;
      readonly destination: string;
      readonly kind: 'missing' | 'different';
      readonly detail: string;
    }
  | { readonly type: 'reset'; readonly directory: Name; readonly files: number }
  | {
      readonly type: 'pruned';
      readonly directory: Name;
      readonly files: number;
      readonly bytes: number;
      readonly dryRun: boolean;
    }
  | { readonly type: 'restored'; readonly path: Name; readonly bytes: number; readonly dryRun: boolean }
  /** A restore left it as it is here: it is another one at the destination. */
  | { readonly type: 'differs'; readonly path: Name; readonly reason: string; readonly hint?: string }
  | BroughtBackEvent
  | FilledEvent
  | { readonly type: 'kept'; readonly directory: Name; readonly reason: string; readonly hint?: string }
  | AlertEvent
  | {
      readonly type: 'unfinished';
      readonly directory: Name;
      readonly reason: string;
      readonly isStuck?: true | undefined;
    }
  | {
      readonly type: 'finished';
      readonly directory: Name;
      readonly closedBy: 'parser' | 'superseded';
      readonly files: number;
      readonly bytes: number;
    }
  | ClientEvent
  | SummaryEvent;

/** What a client of `isocket receive` did, or was refused. */
export interface ClientEvent {
  readonly type: 'client';
  /** `cut`: it was gone while it wrote, or a write failed. */
  readonly action: 'login' | 'logout' | 'wrote' | 'cut' | 'renamed' | 'removed' | 'made' | 'refused';
  /** Of `isocket receive --json`, where each event has it: when, as ISO 8601 has it. */
  readonly time?: string;
  /** Address and port. */
  readonly client: string;
  /** The fingerprint of its key, or of the one that was refused; missing where there is none yet. */
  readonly key?: string;
  /** Of a login that is refused: the name that the client gave. */
  readonly user?: string;
  /** As the client names it. */
  readonly path?: Name;
  readonly to?: Name;
  /** What was written into that file. */
  readonly bytes?: number;
  /** Of `refused`: as the metrics tell them apart, and in words. */
  readonly kind?: RefusalKind;
  readonly reason?: string;
  /** So many more of this kind were refused since the last one was told. */
  readonly more?: number;
  /** Of `logout`: all that it did. */
  readonly totals?: ClientTotals;
}

export interface ClientTotals {
  readonly seconds: number;
  /** Files that were written and closed. */
  readonly files: number;
  readonly renamed: number;
  readonly removed: number;
  /** Content, in bytes. */
  readonly written: number;
  readonly read: number;
}

/** A command begins to work on a site. */
export interface StartedEvent {
  readonly type: 'started';
  readonly command: 'daemon' | 'scan';
  readonly version: string;
  readonly pid: number;
  /** The file. */
  readonly config: string;
  readonly site: string;
  readonly root: Name;
  /** Those that are required. */
  readonly destinations: readonly string[];
  /** The others, if any. */
  readonly bestEffort?: readonly string[];
}

/** A condition of the site that somebody is to know of, or that is over. */
export interface AlertEvent {
  readonly type: 'alert';
  readonly state: 'raised' | 'over';
  readonly kind: 'root' | 'refused' | 'down' | 'held' | 'unsent' | 'success' | 'late' | 'umask' | 'silent';
  /** Destinations, directories, or the site. */
  readonly subjects: readonly string[];
  readonly message: string;
  /** ISO 8601. */
  readonly since: string;
}

/** The daemon ends. */
export interface StoppedEvent {
  readonly type: 'stopped';
  /** A signal, or the message of an error. */
  readonly reason: string;
  readonly isError: boolean;
  readonly sent: number;
  readonly bytes: number;
  readonly finished: number;
  readonly seconds: number;
}

export type SkippedKind = 'symlink' | 'socket' | 'fifo' | 'device' | 'excluded';

/** What became of the marks of a directory that no record explained. */
export interface ClaimsEvent {
  readonly type: 'claims';
  readonly directory: Name;
  /** Every destination has them: they count as sent. */
  readonly confirmed: number;
  /** Some destination lacks them: they are sent. */
  readonly absent: number;
  /** A destination could not be asked. */
  readonly open: number;
}

/** All of a directory is here again. */
export interface BroughtBackEvent {
  readonly type: 'brought-back';
  readonly directory: Name;
  readonly destination: string;
  readonly files: number;
  readonly bytes: number;
  /** Files that were here already. */
  readonly equal: number;
  /** It bears `finished.watch`. */
  readonly isFinished: boolean;
}

/** One destination has what the others have of a directory. */
export interface FilledEvent {
  readonly type: 'filled';
  readonly directory: Name;
  readonly destination: string;
  /** What is there now: of a directory that is not finished, of what is sent so far. */
  readonly files: number;
  readonly bytes: number;
  /** Files that were sent for that. */
  readonly sent: number;
  readonly isFinished: boolean;
}

export interface FailedEvent {
  readonly type: 'failed';
  readonly path: Name;
  readonly class: TransportErrorClass;
  readonly message: string;
  readonly hint?: string;
  /** Of class `file`: the destination has no room for this one. */
  readonly noRoom?: true;
  /** Failures of this file so far. */
  readonly attempts: number;
  /** No more attempts in this run, or only at a slow pace. */
  readonly held: boolean;
}

/** contract.md §5: the last line of `scan --json`. */
export interface SummaryEvent {
  readonly type: 'summary';
  readonly sent: number;
  readonly bytes: number;
  /** What can never be sent: links, sockets, fifos, devices. */
  readonly skipped: number;
  /** Names that `source.exclude` leaves out. */
  readonly excluded: number;
  readonly failed: number;
  readonly held: number;
  readonly finished: number;
  /** Closed directories that could not be worked on or verified. */
  readonly unfinished: number;
  readonly seconds: number;
}

export type Report = (event: IsocketEvent) => void;
