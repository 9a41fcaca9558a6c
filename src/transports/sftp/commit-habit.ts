import type { SftpClient } from '../../sftp/client.ts';
import { Extension } from '../../sftp/protocol.ts';

/** The one that isocket speaks. */
const VERSION = '1';

/** So many channels were lost while a commit was asked for, and none was ever done: the server's program dies of it, or what is between. */
const MOST_LOST = 3;

/** Whether a server that offers `commit@isocket` does it; kept for its next connection. */
export class CommitHabit {
  #isRefused = false;
  #hasWorked = false;
  readonly #lost = new WeakSet<SftpClient>();
  #lostCount = 0;

  /** To be asked for each file. */
  isOfferedOn(channel: SftpClient): boolean {
    return !this.#isRefused && channel.has(Extension.COMMIT, VERSION);
  }

  worked(): void {
    this.#hasWorked = true;
  }

  /** It was refused where the ordinary way was not. */
  refused(): void {
    this.#isRefused = true;
  }

  /** The channel has closed before the reply. Returns true once it is not asked for any more. */
  lost(channel: SftpClient): boolean {
    if (this.#hasWorked || this.#lost.has(channel)) return this.#isRefused;
    this.#lost.add(channel);
    this.#lostCount += 1;
    if (this.#lostCount >= MOST_LOST) this.#isRefused = true;
    return this.#isRefused;
  }
}
