import type { Name } from '../../transport.ts';
import type { RcloneProcess } from './rclone-process.ts';
import type { Shared } from './shared.ts';

const LOOK_EVERY_MS = 500;
/** rclone itself gives up a connection that is silent (`--timeout`); a store may need long to put the parts of a big file together. */
const QUIET_MS = 300_000;
/** It answers this aside of everything else: where it does not, it is stopped. */
const NO_ANSWER_MS = 30_000;

/** What runs in one rclone: how far it is, whether it still moves, at which rate. */
export class TransferWatch implements Disposable {
  /** All our calls are counted together. */
  static readonly GROUP = 'isocket';
  readonly #process: RcloneProcess;
  readonly #shared: Shared;
  readonly #names = new Map<string, Name>();
  #calls = 0;
  #ended = 0;
  #bytes = 0;
  #seenEnded = 0;
  #movedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #rate: number | null = null;
  #setting: Promise<unknown> | undefined;

  constructor(process: RcloneProcess, shared: Shared) {
    this.#process = process;
    this.#shared = shared;
  }

  /** A call; over when it is disposed. */
  begin(): Disposable {
    if (this.#calls === 0) {
      this.#movedMs = performance.now();
      this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    }
    this.#calls += 1;
    return {
      [Symbol.dispose]: () => {
        this.#calls -= 1;
        this.#ended += 1;
        if (this.#calls === 0) clearInterval(this.#timer);
      },
    };
  }

  /** A file that goes out; its progress is shown until it is disposed. */
  transfer(descriptor: string, name: Name): Disposable {
    this.#names.set(descriptor, name);
    return {
      [Symbol.dispose]: () => {
        this.#names.delete(descriptor);
        this.#shared.underWay.delete(name);
      },
    };
  }

  /** The configured rate, where it is another one than rclone has. */
  async setRate(): Promise<void> {
    const { bandwidth } = this.#shared.context;
    if (bandwidth !== this.#rate) {
      this.#rate = bandwidth;
      const rate = bandwidth === null ? 'off' : `${Math.max(1, Math.round(bandwidth))}B`;
      this.#setting = this.#process.client.call('core/bwlimit', { rate });
    }
    await this.#setting;
  }

  /** The bytes that went of each file that is being transferred, by the name that rclone has for it. */
  async transferring(): Promise<ReadonlyMap<string, number>> {
    const group = { group: TransferWatch.GROUP };
    const answer = await this.#process.client.call('core/stats', group, AbortSignal.timeout(NO_ANSWER_MS));
    if (typeof answer.bytes === 'number' && answer.bytes !== this.#bytes) {
      this.#bytes = answer.bytes;
      this.#movedMs = performance.now();
    }
    const list: unknown[] = Array.isArray(answer.transferring) ? answer.transferring : [];
    return new Map(list.map((one) => nameAndBytes(one)));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      if (this.#ended !== this.#seenEnded) this.#movedMs = performance.now();
      this.#seenEnded = this.#ended;
      for (const [descriptor, bytes] of await this.transferring()) {
        const name = this.#names.get(descriptor);
        if (name !== undefined) this.#shared.underWay.set(name, Math.max(bytes, this.#shared.underWay.get(name) ?? 0));
      }
      await this.setRate();
      if (performance.now() - this.#movedMs > QUIET_MS) await this.#process.close();
    } catch {
      // Where it has ended, every call says so. Otherwise it does not answer.
      if (!this.#process.ended.aborted) await this.#process.close();
    } finally {
      this.#isLooking = false;
    }
  }
}

const nameAndBytes = (one: unknown): readonly [name: string, bytes: number] => {
  const { name = '', bytes = 0 }: { name?: unknown; bytes?: unknown } =
    typeof one === 'object' && one !== null ? one : {};
  return [String(name), Number(bytes)];
};
