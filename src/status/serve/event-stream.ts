import type { ServerResponse } from 'node:http';

const [LOOK_MS, HEARTBEAT_MS] = [1000, 15_000];
const MOST_CLIENTS = 16;

export interface EventStreamOptions {
  /** What is told, as one line. */
  readonly read: () => Promise<string>;
  readonly failed: (error: unknown) => void;
}

/** What a client was given last. */
interface Given {
  text: string | undefined;
  atMs: number;
}

/** Server-sent events: what `read` resolves with, at once, and whenever it is another one. Without a client nothing is read. */
export class EventStream implements Disposable {
  readonly #options: EventStreamOptions;
  readonly #clients = new Map<ServerResponse, Given>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#clients.size >= MOST_CLIENTS;
  }

  /** Its headers were sent. */
  add(client: ServerResponse): void {
    const given: Given = { text: undefined, atMs: performance.now() };
    this.#clients.set(client, given);
    client.once('close', () => {
      this.#clients.delete(client);
      if (this.#clients.size === 0) this.#rest();
    });
    client.write('retry: 2000\n\n');
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref();
    void this.#options.read().then((text) => this.#tell(client, given, text), this.#options.failed);
  }

  [Symbol.dispose](): void {
    this.#rest();
    for (const client of this.#clients.keys()) client.end();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const text = await this.#options.read();
      for (const [client, given] of this.#clients) this.#tell(client, given, text);
    } catch (error) {
      this.#options.failed(error);
    } finally {
      this.#isLooking = false;
    }
  }

  /** Who does not read gets the latest one once he reads again; who does not read for long is cut off by the server's limit. */
  #tell(client: ServerResponse, given: Given, text: string): void {
    const isNews = given.text !== text;
    const nowMs = performance.now();
    if (client.writableNeedDrain || client.destroyed || (!isNews && nowMs - given.atMs < HEARTBEAT_MS)) return;
    // A beat shows both ends that the other one is there. A comment would do for ours, but a page does not see one.
    client.write(isNews ? `data: ${text}\n\n` : 'event: beat\ndata:\n\n');
    [given.text, given.atMs] = [text, nowMs];
  }
}
