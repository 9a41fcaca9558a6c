import type { ServerResponse } from 'node:http';

const [LOOK_MS, HEARTBEAT_MS] = [1000, 15_000];
const MOST_CLIENTS = 16;

export interface EventStreamOptions {
  /** What is told, as one line. */
  readonly read: () => Promise<string>;
  readonly failed: (error: unknown) => void;
}

/** Server-sent events: what `read` resolves with, at once, and whenever it is another one. Without a client nothing is read. */
export class EventStream implements Disposable {
  readonly #options: EventStreamOptions;
  readonly #clients = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;
  #last = '';
  #toldMs = 0;
  #isLooking = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#clients.size >= MOST_CLIENTS;
  }

  /** Its headers were sent. */
  add(client: ServerResponse): void {
    this.#clients.add(client);
    client.once('close', () => {
      this.#clients.delete(client);
      if (this.#clients.size === 0) this.#rest();
    });
    client.write('retry: 2000\n\n');
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref();
    void this.#options.read().then((text) => {
      this.#tell(client, text);
      if (this.#clients.size === 1) [this.#last, this.#toldMs] = [text, performance.now()];
    }, this.#options.failed);
  }

  [Symbol.dispose](): void {
    this.#rest();
    for (const client of this.#clients) client.end();
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
      const isQuiet = performance.now() - this.#toldMs < HEARTBEAT_MS;
      if (text === this.#last && isQuiet) return;
      for (const client of this.#clients) {
        // Shows both ends that the other one is there. A comment would do for ours, but a page does not see one.
        if (text === this.#last) this.#write(client, 'event: beat\ndata:\n\n');
        else this.#tell(client, text);
      }
      this.#last = text;
      this.#toldMs = performance.now();
    } catch (error) {
      this.#options.failed(error);
    } finally {
      this.#isLooking = false;
    }
  }

  #tell(client: ServerResponse, text: string): void {
    this.#write(client, `data: ${text}\n\n`);
  }

  /** Who does not read gets the next one; who does not read for long is cut off by the server's limit. */
  #write(client: ServerResponse, text: string): void {
    if (!client.writableNeedDrain && !client.destroyed) client.write(text);
  }
}
