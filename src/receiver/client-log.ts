import type { ClientEvent } from '../core/events.ts';
import type { ReceiverCounts, RefusalKind } from '../core/receiver-figures.ts';
import { decodeName } from '../name.ts';
import type { RefusalLog } from './refusal-log.ts';

/** Why something was refused, or failed. */
export interface Refusal {
  readonly kind: RefusalKind;
  readonly reason: string;
  /** Of a login. */
  readonly login?: Login;
}

/** Who wants to log in. */
export interface Login {
  /** The name that the client gave. */
  readonly user: string;
  /** The fingerprint of its key. */
  readonly key: string;
}

/** What request handlers tell of a client. */
export interface ActionLog {
  /** A file that was open for writing is closed; `cut`: by the end of the session, or after a write that failed. */
  readonly wrote: (path: Buffer, bytes: number, how: 'wrote' | 'cut') => void;
  readonly did: (action: 'removed' | 'made', path: Buffer) => void;
  readonly renamed: (from: Buffer, to: Buffer) => void;
  readonly read: (bytes: number) => void;
  readonly refused: (refusal: Refusal, path?: Buffer) => void;
}

export const silentLog: ActionLog = {
  wrote: () => undefined,
  did: () => undefined,
  renamed: () => undefined,
  read: () => undefined,
  refused: () => undefined,
};

export interface ClientLogOptions {
  readonly client: string;
  /** Refusals of one source are folded. */
  readonly source: string;
  /** Of all clients together. */
  readonly counts: ReceiverCounts;
  readonly tell: (event: ClientEvent) => void;
  readonly refusals: RefusalLog;
}

/** What one connection does. */
export class ClientLog implements ActionLog {
  readonly #options: ClientLogOptions;
  readonly #totals = { files: 0, renamed: 0, removed: 0, written: 0, read: 0 };
  #login: { readonly key: string; readonly ms: number } | undefined;

  constructor(options: ClientLogOptions) {
    this.#options = options;
  }

  loggedIn(key: string, folder: string): void {
    this.#login = { key, ms: performance.now() };
    this.#options.counts.logins += 1;
    this.#tell('login', folder === '' ? {} : { path: folder });
  }

  /** A session of SFTP. */
  opened(): void {
    this.#options.counts.sessions += 1;
  }

  /** Those that never logged in are nothing to tell. */
  gone(): void {
    if (this.#login === undefined) return;
    const seconds = Math.round((performance.now() - this.#login.ms) / 1000);
    this.#tell('logout', { totals: { seconds, ...this.#totals } });
  }

  wrote(path: Buffer, bytes: number, how: 'wrote' | 'cut'): void {
    const { counts } = this.#options;
    if (how === 'wrote') this.#totals.files += 1;
    counts[how === 'wrote' ? 'files' : 'cut'] += 1;
    this.#totals.written += bytes;
    counts.written += bytes;
    this.#tell(how, { path: decodeName(path), bytes });
  }

  did(action: 'removed' | 'made', path: Buffer): void {
    if (action === 'removed') this.#totals.removed += 1;
    this.#options.counts[action] += 1;
    this.#tell(action, { path: decodeName(path) });
  }

  renamed(from: Buffer, to: Buffer): void {
    this.#totals.renamed += 1;
    this.#options.counts.renamed += 1;
    this.#tell('renamed', { path: decodeName(from), to: decodeName(to) });
  }

  read(bytes: number): void {
    this.#totals.read += bytes;
    this.#options.counts.read += bytes;
  }

  refused({ kind, reason, login }: Refusal, path?: Buffer): void {
    const { counts, refusals, source } = this.#options;
    counts.refused[kind] += 1;
    const where = path === undefined ? {} : { path: decodeName(path) };
    const event = this.#event('refused', { ...login, kind, reason, ...where });
    // One disk is full for all of them.
    refusals.add(kind === 'full' ? kind : `${source} ${event.user ?? ''} ${event.key ?? ''} ${reason}`, event);
  }

  #tell(action: ClientEvent['action'], more: Partial<ClientEvent>): void {
    this.#options.tell(this.#event(action, more));
  }

  #event(action: ClientEvent['action'], more: Partial<ClientEvent>): ClientEvent {
    const key = this.#login === undefined ? {} : { key: this.#login.key };
    return { type: 'client', action, client: this.#options.client, ...key, ...more };
  }
}
