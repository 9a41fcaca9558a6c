/** Just closed by its writer, or found by a listing. */
export type Urgency = 'live' | 'backlog';

/** Share of all slots that live files leave to the backlog, so that it moves however many of them come. */
const BACKLOG_SHARE = 1 / 4;

/** A transport may allow more while all slots are in use: channels open, or the server tells its limits. */
export const LOOK_FOR_GROWTH_MS = 20;

/** Is there no room for one more, where so many may run at once? Live files first, without starving the backlog. Pure. */
export const isFull = (
  urgency: Urgency,
  { live, backlog }: Readonly<Record<Urgency, number>>,
  total: number,
): boolean =>
  urgency === 'live' ? live >= total : backlog >= Math.max(total - live, Math.ceil(total * BACKLOG_SHARE));

/** How many sends may run: live files first, without starving the backlog. */
export class SendSlots {
  readonly #total: () => number;
  readonly #active = { live: 0, backlog: 0 };
  #released: PromiseWithResolvers<void> | undefined;
  #isLooking = false;

  /** @param total is asked each time: it may change */
  constructor(total: () => number) {
    this.#total = total;
  }

  /** Wait for this before the next send; undefined: a slot is free. */
  free(urgency: Urgency): Promise<void> | undefined {
    return this.#isFull(urgency) ? this.#waitForFree(urgency) : undefined;
  }

  acquire(urgency: Urgency): void {
    this.#active[urgency] += 1;
  }

  release(urgency: Urgency): void {
    this.#active[urgency] -= 1;
    this.#wake();
  }

  #isFull(urgency: Urgency): boolean {
    return isFull(urgency, this.#active, this.#total());
  }

  async #waitForFree(urgency: Urgency): Promise<void> {
    while (this.#isFull(urgency)) {
      if (!this.#isLooking) this.#lookForGrowth();
      await (this.#released ??= Promise.withResolvers()).promise;
    }
  }

  #lookForGrowth(): void {
    this.#isLooking = true;
    setTimeout(() => {
      this.#isLooking = false;
      this.#wake();
    }, LOOK_FOR_GROWTH_MS);
  }

  #wake(): void {
    this.#released?.resolve();
    this.#released = undefined;
  }
}
