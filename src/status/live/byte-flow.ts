import type { IsocketEvent } from '../../core/events.ts';
import type { Name } from '../../name.ts';

export interface ByteFlowOptions {
  /** Bytes so far of files that are being sent. */
  readonly underWay: () => ReadonlyMap<Name, number>;
  /** Called with how many more have arrived. */
  readonly moved: (bytes: number) => void;
}

const LOOK_EVERY_MS = 1000;

/** Bytes as they arrive: of a big file while it is sent, of a small one when it is. A file that takes hours shows no rate else. */
export class ByteFlow implements Disposable {
  readonly #options: ByteFlowOptions;
  /** What was told, or was there before, of files that are not sent yet. */
  readonly #known = new Map<Name, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: ByteFlowOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  note(event: IsocketEvent): void {
    if (event.type !== 'sent') return;
    const rest = event.bytes - (this.#known.get(event.path) ?? 0);
    this.#known.delete(event.path);
    if (rest > 0) this.#options.moved(rest);
  }

  look(): void {
    let more = 0;
    for (const [path, bytes] of this.#options.underWay()) {
      const known = this.#known.get(path);
      // What is there at the first look may be of an earlier attempt, hours ago.
      if (known !== undefined && bytes > known) more += bytes - known;
      this.#known.set(path, Math.max(bytes, known ?? 0));
    }
    if (more > 0) this.#options.moved(more);
  }
}
