import { setTimeout as delay } from 'node:timers/promises';
import { formatBytes } from '../../core/units.ts';
import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import { stateKey } from './temporary-names.ts';

/** So often the channel may end while a file stands at the same place. */
const MOST_AT_ONE_PLACE = 3;
/** What was in flight when the channel ended may be there or not: less than this is no way forward. */
const PLACE_BYTES = 2 * 1024 * 1024;
/** What ends the server's program does so at once, when it is met again. */
const TURN_MS = 10_000;

interface Loss {
  readonly at: number;
  readonly count: number;
}

/**
 * Big files during which the server's program, or the connection, has ended. Where one gets no further, again and again, it is the matter of
 * that file (a limit of file size there ends the program), and must not take the line from all others. So that none is blamed for what
 * another one does, they go on one after the other.
 */
export class Losses {
  readonly #losses = new Map<string, Loss>();
  #turn: Promise<undefined> = Promise.resolve(undefined);

  /** Resolves when the file may be sent, at once where nothing has ended during it, with what is to be called when that is over. */
  async turn(file: OutgoingFile, signal: AbortSignal): Promise<() => void> {
    if (!this.#losses.has(stateKey(file))) return () => undefined;
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#turn = promise;
    const waited = new AbortController();
    const limit = delay(TURN_MS, undefined, { signal: AbortSignal.any([signal, waited.signal]) }).catch(
      () => undefined,
    );
    await Promise.race([before, limit]);
    waited.abort();
    return () => resolve(undefined);
  }

  /** @param at what of the file the server has. Returns the failure of the file, once it is that. */
  note(label: string, file: OutgoingFile, at: number): TransportError | undefined {
    const key = stateKey(file);
    const before = this.#losses.get(key);
    const loss =
      before === undefined || at >= before.at + PLACE_BYTES ? { at, count: 1 } : { ...before, count: before.count + 1 };
    this.#losses.set(key, loss);
    if (loss.count < MOST_AT_ONE_PLACE) return undefined;
    return new TransportError(
      'file',
      `Cannot send "${showName(file.targetPath)}" to ${label}: the server’s program or the connection ended ${loss.count} times when it had ${formatBytes(at)} of ${formatBytes(Number(file.identity.size))} (${at} bytes)`,
      {
        hint: 'see the server’s log: a limit of file size there ends the program that writes (ulimit -f, LimitFSIZE), or something on the way cuts the line at this content',
      },
    );
  }

  forget(file: OutgoingFile): void {
    if (this.#losses.size > 0) this.#losses.delete(stateKey(file));
  }
}

/** So often the channel may end while one folder is listed. */
const MOST_CUT_LISTINGS = 3;

/** Folders during whose listing the server's program, or the connection, has ended: some programs do of a name that they cannot read. */
export class CutListings {
  readonly #counts = new Map<Name, number>();

  cut(folder: Name): void {
    this.#counts.set(folder, (this.#counts.get(folder) ?? 0) + 1);
  }

  listed(folder: Name): void {
    if (this.#counts.size > 0) this.#counts.delete(folder);
  }

  /** It is not listed any more. */
  isGivenUp(folder: Name): boolean {
    return this.#counts.size > 0 && (this.#counts.get(folder) ?? 0) >= MOST_CUT_LISTINGS;
  }
}
