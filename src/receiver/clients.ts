import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ParsedKey } from 'ssh2';
import type { Name } from '../name.ts';
import { counted } from '../core/units.ts';
import { noCounts, type ReceiverFigures } from '../core/receiver-figures.ts';
import type { ReceiverLimits } from '../core/receiver-limits.ts';
import { Admission, DEFAULT_LIMITS } from './admission.ts';
import { createAppendOnlyRules } from './append-only.ts';
import { createAtomicPuts } from './atomic-puts.ts';
import { isStillAllowed, type AuthorizedKey, type AuthorizedKeys } from './authorized-keys.ts';
import { unrestricted, type ChangeRules } from './change-rules.ts';
import { ClientLog, type Refusal } from './client-log.ts';
import { openConfinedFolder, type ConfinedFolder } from './confined-folder.ts';
import { ReceiverConnection } from './connection.ts';
import { plainAddress, sourceOf } from './from-patterns.ts';
import { KeyFolders } from './key-folders.ts';
import { openKeys, type KeyRing } from './keys-file.ts';
import type { ReceiverOptions } from './receiver-options.ts';
import type { RootDisk } from './root-disk.ts';
import { RefusalLog } from './refusal-log.ts';

/** How often the keys are compared with those who are in. */
const LOOK_MS = 2000;
/** A client that asks for nothing in this time, twice, has nothing under way. */
const QUIET_MS = 50;

/** Those who are connected. */
export class Clients {
  readonly #options: ReceiverOptions;
  readonly #hostKeys: readonly ParsedKey[];
  #limits: ReceiverLimits;
  readonly #counts = noCounts();
  readonly #admission: Admission<ReceiverConnection>;
  readonly #connections = new Set<ReceiverConnection>();
  readonly #refusals: RefusalLog;
  readonly #rules: ChangeRules;
  readonly #keys: KeyRing;
  readonly #folders: KeyFolders;
  readonly #disk: RootDisk;
  readonly #timer: NodeJS.Timeout;
  #seen: AuthorizedKeys | undefined;

  constructor(options: ReceiverOptions, hostKeys: readonly ParsedKey[], disk: RootDisk) {
    this.#options = options;
    this.#disk = disk;
    this.#hostKeys = hostKeys;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#admission = new Admission(this.#limits);
    this.#refusals = new RefusalLog((event) => options.tell?.(event));
    this.#rules = options.appendOnly === true ? createAppendOnlyRules(options) : unrestricted;
    this.#folders = new KeyFolders(options.root, options.log);
    this.#keys = openKeys(
      options.authorizedKeys,
      (keys) => this.#onKeys(keys),
      (problem) => {
        if (problem === '') options.log('result', 'the authorized keys let clients in again');
        else options.log('warning', problem);
      },
    );
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  accept(socket: Socket): void {
    const { remoteAddress = '?', remotePort = 0 } = socket;
    const address = plainAddress(remoteAddress);
    const source = sourceOf(remoteAddress);
    const client = address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`;
    const clientLog = new ClientLog({
      client,
      source,
      tell: (event) => this.#options.tell?.(event),
      refusals: this.#refusals,
      counts: this.#counts,
    });
    const connection: ReceiverConnection = new ReceiverConnection(socket, {
      peer: client,
      hostKeys: this.#hostKeys,
      keys: () => this.#keys.current(),
      // Each session reopens the root, so that it uses a disk that was mounted there since the start.
      openFolder: (below) => this.#openFolder(below),
      rules: (folder) => this.#rulesFor(folder),
      limits: this.#limits,
      clientLog,
      log: this.#options.log,
      onLogin: (key: AuthorizedKey) => this.#admission.logIn(connection, key.fingerprint),
    });
    this.#connections.add(connection);
    void connection.closed.then(() => {
      this.#connections.delete(connection);
      this.#admission.leave(connection);
    });
    const crowd = this.#admission.enter(connection, source);
    crowd?.leaving.drop({ kind: 'crowd', reason: crowd.reason });
  }

  figures(): Omit<ReceiverFigures, 'disk'> {
    const clients = [...this.#connections].flatMap(({ key, peer, isBusy, sessions }) =>
      key === undefined ? [] : [{ client: peer, key: key.fingerprint, folder: key.folder.join('/'), isBusy, sessions }],
    );
    this.#lookAtKeys();
    const problem = this.#keys.problem();
    return {
      counts: this.#counts,
      waiting: this.#admission.waiting,
      clients,
      problems: [...(problem === '' ? [] : [problem]), ...this.#folders.problems],
    };
  }

  /**
   * Reads the keys again, and ends the connections of those that are gone. Limits of time hold for new connections.
   * @returns whether somebody can get in
   */
  reload(limits: Partial<ReceiverLimits> = this.#limits): boolean {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#admission.limits = this.#limits;
    this.#keys.reload();
    this.#endRemoved();
    return this.#keys.problem() === '';
  }

  /** Resolves with the number of clients that were still writing when the time was over. */
  async drain(): Promise<number> {
    const { endMs } = this.#limits;
    const busy = [...this.#connections].filter(({ isBusy }) => isBusy).length;
    const given = `${counted(busy, 'transfer is', 'transfers are')} given up to ${endMs / 1000} s (limits.end); a second signal ends at once`;
    this.#options.log('result', `ending: ${busy === 0 ? 'no transfer is under way' : given}`);
    const end = performance.now() + endMs;
    let quiet = new Set<ReceiverConnection>();
    while (this.#connections.size > 0 && performance.now() < end) {
      const idle = [...this.#connections].filter(({ isBusy }) => !isBusy);
      for (const connection of idle) if (quiet.has(connection)) connection.end();
      quiet = new Set(idle);
      await delay(QUIET_MS);
    }
    return [...this.#connections].filter(({ isBusy }) => isBusy).length;
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    for (const connection of this.#connections) connection.end();
    await Promise.all([...this.#connections].map((connection) => connection.closed));
    this.#refusals[Symbol.dispose]();
  }

  #openFolder(below: readonly Name[]): ConfinedFolder {
    const problem = this.#disk.problem();
    if (problem !== undefined) throw new Error(problem);
    return openConfinedFolder(this.#options.root, below);
  }

  #rulesFor(folder: ConfinedFolder): ChangeRules {
    return this.#options.atomicPuts === true ? createAtomicPuts(this.#rules, folder) : this.#rules;
  }

  /** Whoever edits the file may write it in several steps: who is in stays until it is the same at two looks. */
  #look(): void {
    this.#lookAtKeys();
    const keys = this.#keys.lastRead();
    if (keys === this.#seen) this.#endRemoved();
    this.#seen = keys;
  }

  #endRemoved(): void {
    const keys = this.#keys.lastRead();
    for (const connection of this.#connections) {
      const { key, address } = connection;
      if (key === undefined || isStillAllowed(keys, key, address, Date.now())) continue;
      const refusal: Refusal = { kind: 'unauthorized', reason: 'its key is not authorized any more' };
      connection.drop(refusal, 'put it back into the authorized keys there');
    }
  }

  #lookAtKeys(): void {
    this.#keys.current();
    this.#folders.look(this.#keys.lastRead());
  }

  #onKeys(keys: AuthorizedKeys): void {
    for (const warning of keys.warnings) this.#options.log('warning', warning);
    this.#folders.look(keys);
  }
}
