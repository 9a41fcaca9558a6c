export interface RequestQueueOptions {
  /** Serves one packet. A promise means that it is still in progress; it must not reject. */
  readonly serve: (packet: Buffer) => Promise<void> | undefined;
  /** Whether no request may be served now, whatever the queue holds. */
  readonly isBlocked: () => boolean;
  /** Is called when a request that was in progress has been served. */
  readonly onServed: () => void;
  /** As `onServed`, for a request that was put aside. */
  readonly onAsideServed?: () => void;
}

/** Requests that are in progress at once: each holds a file open. */
const MAX_ASIDE = 64;

/**
 * Serves requests one after the other, in the order of their arrival. Those that must wait are copied and queued. A request that is put
 * aside has begun in its turn, and ends beside those that follow.
 */
export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #waiting: Buffer[] = [];
  #isServing = false;
  #aside = 0;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  /** Whether a request is in progress. */
  get isServing(): boolean {
    return this.#isServing || this.#aside > 0;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether a request that arrives now must wait for an event. */
  get mustWait(): boolean {
    return this.#isServing || this.#aside >= MAX_ASIDE || this.#options.isBlocked();
  }

  /** A request is in progress that others need not wait for. It must not reject. */
  putAside(work: Promise<void>): void {
    this.#aside += 1;
    void work.then(() => {
      this.#aside -= 1;
      this.#options.onAsideServed?.();
    });
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
