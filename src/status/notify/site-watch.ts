import { errorMessage } from '../../errors.ts';
import type { Config } from '../../config/config.ts';
import type { Overview } from '../../core/overview.ts';
import type { IsExcluded } from '../../source/scanner.ts';
import type { Name } from '../../name.ts';
import { heldFiles } from './event-facts.ts';
import type { Notifier } from './notifier.ts';
import { isUnsent, lookForUnsent, type Unsent } from './look-for-unsent.ts';
import type { Ping } from './ping.ts';

export interface SiteWatchOptions {
  readonly config: Config;
  readonly notifier: Notifier;
  readonly ping: Ping | undefined;
  readonly isExcluded: IsExcluded;
  readonly overview: () => Overview;
  /** Everything is listed in time. */
  readonly isAlive: () => boolean;
}

const [LEAST_TICK_MS, MOST_TICK_MS] = [250, 10_000];
const NOTHING: Unsent = { oldest: undefined, unreadable: [] };
const MOST_UNSENT_MS = 300_000;

/** The looks of the daemon: at what it says of itself every 10 s, and now and then at how old the oldest unsent file is. */
export class SiteWatch implements Disposable {
  readonly #options: SiteWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #ended = new AbortController();
  #unsent: Unsent = NOTHING;
  #lookedMs = -Infinity;
  #isLooking = false;
  #pinged: { readonly isWell: boolean; readonly atMs: number } | undefined;

  constructor(options: SiteWatchOptions) {
    this.#options = options;
    const { alerts, hooks } = options.config;
    const limits = [alerts.unsentMs, alerts.downMs, alerts.successMs, alerts.silentMs].map(
      (ms) => (ms ?? Infinity) / 4,
    );
    const tickMs = Math.max(LEAST_TICK_MS, Math.min(MOST_TICK_MS, hooks.pingEveryMs, ...limits));
    this.#timer = setInterval(() => void this.#tick(), tickMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#ended.abort();
  }

  async #tick(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#look();
    } catch (error) {
      // Whatever is wrong here, files go on.
      const message = `Cannot look what is to be told: ${errorMessage(error)}`;
      this.#options.notifier.report({ type: 'note', level: 'warning', message });
    } finally {
      this.#isLooking = false;
    }
  }

  async #look(): Promise<void> {
    const { notifier, overview, ping } = this.#options;
    const { unsentIn } = overview();
    await this.#lookForUnsent(unsentIn, this.#unsentEveryMs);
    // What was unsent at the last look may be sent by now.
    if (this.#isTooOld && !isUnsent(`${this.#root}/${this.#unsent.oldest?.path}`))
      await this.#lookForUnsent(unsentIn, 0);
    if (this.#ended.signal.aborted) return;
    const { root, failing, late, bornMarked, open, unfinishable } = overview();
    const { down, unworkable } = notifier.facts;
    const { oldest, unreadable } = this.#unsent;
    const held = [...failing.filter((one) => one.held), ...unworkable, ...unreadable];
    const troubles = down.length + failing.length + held.length + unfinishable.length;
    const isWhole = troubles === 0 && !this.#isTooOld && root === undefined;
    const seen = { root, down, held: heldFiles(held), unfinishable, oldestUnsent: oldest, late, bornMarked, open };
    notifier.look({ ...seen, isWhole });
    if (ping !== undefined) this.#ping(ping);
  }

  get #root(): Name {
    return this.#options.config.source.root;
  }

  get #unsentMs(): number {
    return this.#options.config.alerts.unsentMs ?? Infinity;
  }

  get #unsentEveryMs(): number {
    return Math.min(MOST_UNSENT_MS, this.#unsentMs / 4);
  }

  get #isTooOld(): boolean {
    const { oldest } = this.#unsent;
    return oldest !== undefined && Date.now() - oldest.sinceMs >= this.#unsentMs;
  }

  async #lookForUnsent(directories: readonly Name[], everyMs: number): Promise<void> {
    const { config, isExcluded } = this.#options;
    if (directories.length === 0) this.#unsent = NOTHING;
    const isDue = performance.now() - this.#lookedMs >= everyMs;
    const isWanted = config.alerts.unsentMs !== null || config.alerts.held;
    if (directories.length === 0 || !isWanted || !isDue) return;
    this.#unsent = await lookForUnsent(this.#root, directories, isExcluded, this.#ended.signal);
    this.#lookedMs = performance.now();
  }

  /** Regularly, and at once when all is well no more, or again. */
  #ping(ping: Ping): void {
    const isWell = this.#options.notifier.isWell && this.#options.isAlive();
    const { pingEveryMs } = this.#options.config.hooks;
    const now = performance.now();
    if (this.#pinged?.isWell === isWell && now - this.#pinged.atMs < pingEveryMs) return;
    this.#pinged = { isWell, atMs: now };
    void ping.send(isWell ? 'success' : 'fail');
  }
}
