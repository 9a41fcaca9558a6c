import type { ClientEvent } from '../core/events.ts';
import { decodeName } from '../name.ts';
import type { RefusalLog } from './refusal-log.ts';

/** What request handlers tell of a client. */
export interface ActionLog {
  /** A file that was open for writing is closed; `cut`: by the end of the session. */
  readonly wrote: (path: Buffer, bytes: number, how: 'wrote' | 'cut') => void;
  readonly did: (action: 'removed' | 'made', path: Buffer) => void;
  readonly renamed: (from: Buffer, to: Buffer) => void;
  readonly read: (bytes: number) => void;
  readonly refused: (path: Buffer | undefined, reason: string) => void;
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
    this.#tell('login', folder === '' ? {} : { path: folder });
  }

  /** Those that never logged in are nothing to tell. */
  gone(): void {
    if (this.#login === undefined) return;
    const seconds = Math.round((performance.now() - this.#login.ms) / 1000);
    this.#tell('logout', { totals: { seconds, ...this.#totals } });
  }

  wrote(path: Buffer, bytes: number, how: 'wrote' | 'cut'): void {
    if (how === 'wrote') this.#totals.files += 1;
    this.#totals.written += bytes;
    this.#tell(how, { path: decodeName(path), bytes });
  }

  did(action: 'removed' | 'made', path: Buffer): void {
    if (action === 'removed') this.#totals.removed += 1;
    this.#tell(action, { path: decodeName(path) });
  }

  renamed(from: Buffer, to: Buffer): void {
    this.#totals.renamed += 1;
    this.#tell('renamed', { path: decodeName(from), to: decodeName(to) });
  }

  read(bytes: number): void {
    this.#totals.read += bytes;
  }

  refused(path: Buffer | undefined, reason: string): void {
    const event = this.#event('refused', { reason, ...(path === undefined ? {} : { path: decodeName(path) }) });
    this.#options.refusals.add(`${this.#options.source} ${event.key ?? ''} ${reason}`, event);
  }

  #tell(action: ClientEvent['action'], more: Partial<ClientEvent>): void {
    this.#options.tell(this.#event(action, more));
  }

  #event(action: ClientEvent['action'], more: Partial<ClientEvent>): ClientEvent {
    const key = this.#login === undefined ? {} : { key: this.#login.key };
    return { type: 'client', action, client: this.#options.client, ...key, ...more };
  }
}
