import { formatBytes } from '../../core/units.ts';
import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import { stateKey } from './temporary-names.ts';

/** So often the channel may end while a file stands at the same byte. */
const MOST_AT_ONE_BYTE = 3;

interface Loss {
  readonly at: number;
  readonly count: number;
}

/**
 * Big files during which the server's program, or the connection, has ended. Where one gets no further, again and again, it is the matter of
 * that file (a limit of file size there ends the program), and must not take the line from all others.
 */
export class Losses {
  readonly #losses = new Map<string, Loss>();

  /** @param at what of the file the server has. Returns the failure of the file, once it is that. */
  note(label: string, file: OutgoingFile, at: number): TransportError | undefined {
    const key = stateKey(file);
    const before = this.#losses.get(key);
    const count = before === undefined || at > before.at ? 1 : before.count + 1;
    this.#losses.set(key, { at: Math.max(at, before?.at ?? 0), count });
    if (count < MOST_AT_ONE_BYTE) return undefined;
    return new TransportError(
      'file',
      `Cannot send "${showName(file.targetPath)}" to ${label}: the server’s program or the connection ended ${count} times when it had ${formatBytes(at)} of ${formatBytes(Number(file.identity.size))} (${at} bytes)`,
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
