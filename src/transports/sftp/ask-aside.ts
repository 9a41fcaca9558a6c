import type { SftpClient } from '../../sftp/client.ts';
import { ignoreRefusal, type Line } from './line.ts';

/** So long nothing is answered before it is asked whether the server lives. */
const ASK_AFTER_MS = 10_000;

/**
 * Where all that is asked waits for the disk there (it may upload what is closed, or sync a big file), a question on another channel shows
 * that the server lives: its reply counts as any other.
 */
export class AskAside {
  readonly #line: Pick<Line, 'all' | 'open'>;
  #isAsking = false;

  constructor(line: Pick<Line, 'all' | 'open'>) {
    this.#line = line;
  }

  /** @param silentMs since the last reply */
  tick(silentMs: number): void {
    if (this.#isAsking || silentMs < ASK_AFTER_MS) return;
    const busy = this.#line.all.filter(({ pending }) => pending > 0);
    if (busy.length === 0 || !busy.every(({ isSlow }) => isSlow)) return;
    this.#isAsking = true;
    void this.#ask()
      .catch(() => undefined) // No channel is opened, or the connection is lost: others tell.
      .finally(() => {
        this.#isAsking = false;
      });
  }

  async #ask(): Promise<void> {
    const idle: SftpClient = this.#line.all.find(({ pending }) => pending === 0) ?? (await this.#line.open());
    await idle.realpath('.').catch(ignoreRefusal);
  }
}
