export interface RequestQueueOptions {
  /** Serves one packet. A promise means that it is still in progress; it must not reject. */
  readonly serve: (packet: Buffer) => Promise<void> | undefined;
  /** Whether no request may be served now, whatever the queue holds. */
  readonly isBlocked: () => boolean;
  /** Is called when a request that was in progress has been served. */
  readonly onServed: () => void;
}

/** Serves requests one after the other, in the order of their arrival. Those that must wait are copied and queued. */
export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #waiting: Buffer[] = [];
  #isServing = false;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  /** Whether a request is in progress. */
  get isServing(): boolean {
    return this.#isServing;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether a request that arrives now must wait for an event. */
  get mustWait(): boolean {
    return this.#isServing || this.#options.isBlocked();
  }

  /** Serves the packet, or queues it. The packet may be a view: it is copied where it is kept. */
  accept(packet: Buffer): void {
    if (this.mustWait || this.#waiting.length > 0) this.#waiting.push(Buffer.from(packet));
    else this.#serve(packet);
  }

  /** Serves queued packets until one must wait. */
  serveWaiting(): void {
    let served = 0;
    for (let packet = this.#waiting[0]; packet && !this.mustWait; packet = this.#waiting[served]) {
      this.#serve(packet);
      served += 1;
    }
    this.#waiting.splice(0, served);
  }

  /** Discards the queued packets. */
  clear(): void {
    this.#waiting.length = 0;
  }

  #serve(packet: Buffer): void {
    const later = this.#options.serve(packet);
    if (!later) return;
    this.#isServing = true;
    void later.then(() => {
      this.#isServing = false;
      this.#options.onServed();
    });
  }
}
