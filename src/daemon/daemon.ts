import { setTimeout as delay } from 'node:timers/promises';
import { plan, type DirectorySnapshot } from '../core/lifecycle.ts';
import { createSiteContext, type PassOptions, type SiteContext } from '../delivery/context.ts';
import { LateDirectories } from '../delivery/late-directories.ts';
import { createLimits } from '../delivery/run-cycle.ts';
import { UserError } from '../errors.ts';
import { noteFinishedElsewhere } from '../marks/finished-elsewhere.ts';
import type { Activity } from '../instance/activity.ts';
import type { FileEvent } from '../watcher/file-events.ts';
import type { Watcher } from '../watcher/watcher.ts';
import { Jobs } from './jobs.ts';
import { RootWatch } from './root-watch.ts';

export interface DaemonOptions extends PassOptions {
  readonly watcher: Watcher;
}

/** What is in flight when the signal comes may end; a connection that is down must not hold us. */
const STOP_WITHIN_MS = 10_000;
/** Rescans that may be late before the watchdog hears of it. */
const LATE_RESCANS = 4;

/** The work on a site until the signal: what `runPass` does once, whenever something happens and every `source.rescan`. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #site: SiteContext;
  readonly #jobs: Jobs;
  readonly #root: RootWatch;
  readonly #late: LateDirectories;
  readonly #defect = Promise.withResolvers<never>();
  #eventsLost = 0;
  #lastRescanMs = performance.now();
  #isWoken = false;
  #isCompared = false;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#site = createSiteContext(options, 'forever');
    this.#root = new RootWatch(options.config.source, this.#site.isExcluded, options.report);
    this.#late = new LateDirectories(options.state.path, options.report);
    this.#jobs = new Jobs({
      site: this.#site,
      watcher: options.watcher,
      limits: createLimits(),
      wake: () => this.#wake(),
      eventsLost: () => {
        this.#eventsLost += 1;
      },
      defect: (error) => this.#defect.reject(error),
    });
  }

  /** It lists everything in time: for a watchdog. */
  get isAlive(): boolean {
    return performance.now() - this.#lastRescanMs < LATE_RESCANS * this.#options.config.source.rescanMs;
  }

  /** Resolves in order after the signal. Rejects with a defect. */
  async run(): Promise<void> {
    const { config, signal, watcher } = this.#options;
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const watch = watcher.watchFolder(config.source.root, (event) => this.#hear(event));
    const timer = setInterval(() => this.rescan(), config.source.rescanMs);
    try {
      await Promise.race([watch.ready, aborted]);
      this.rescan();
      await Promise.race([aborted, this.#defect.promise]);
      await Promise.race([this.#stop(), this.#defect.promise]);
    } finally {
      clearInterval(timer);
      await watch[Symbol.asyncDispose]();
    }
  }

  /** Lists everything now. */
  rescan(): void {
    this.#listRoot(true);
  }

  activity(): Omit<Activity, 'pid' | 'kind' | 'since' | 'watcher'> {
    const jobs = [...this.#jobs].map((job) => ({ name: job.plan.directory.name, queue: job.work.queue }));
    return {
      inFlight: jobs.flatMap(({ name, queue }) => [...queue.inFlight].map((path) => `${name}/${path}`)),
      held: jobs.flatMap(({ name, queue }) =>
        [...queue.failures.all].map(({ path, error, attempts, nextMs }) => ({
          path: `${name}/${path}`,
          reason: error.message,
          attempts,
          nextSeconds: Math.max(0, Math.round((nextMs - performance.now()) / 1000)),
        })),
      ),
      connections: this.#site.sender.destinations.map(({ health: { destination, failure } }) => ({
        destination,
        state: failure === undefined ? 'up' : 'down',
        message: failure?.message ?? null,
      })),
      eventsLost: this.#eventsLost,
      foundByRescan: this.#jobs.foundByListing,
    };
  }

  #listRoot(everything: boolean): void {
    const { signal, config, state } = this.#options;
    if (signal.aborted) return;
    this.#lastRescanMs = performance.now();
    try {
      const { directories, wasAway } = this.#root.list();
      state.keepRecordsOf(new Set(directories.map(({ name }) => name)));
      this.#late.note(directories);
      if (!this.#isCompared) this.#compareDestinations(directories);
      // While the root was away nothing that happened was heard.
      this.#jobs.apply(plan(directories, config.source.newest), everything || wasAway);
    } catch (error) {
      if (error instanceof UserError) this.#jobs.endAll();
      else this.#defect.reject(error);
    }
  }

  /** Once: the destinations are the same for as long as the daemon runs. */
  #compareDestinations(directories: readonly DirectorySnapshot[]): void {
    const { state, config, report, destinations } = this.#options;
    this.#isCompared = true;
    const labels = destinations.map(({ label }) => label);
    noteFinishedElsewhere(state.path, config.source.root, directories, labels, report);
  }

  /** One listing for all that happens in one turn. */
  #wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.#listRoot(false);
    });
  }

  #hear(event: FileEvent): void {
    if (event.kind === 'rescan' && event.why !== 'ready') this.#eventsLost += 1;
    this.#wake();
  }

  async #stop(): Promise<void> {
    this.#jobs.endAll();
    const stopped = new AbortController();
    await Promise.race([
      this.#jobs.ended(),
      delay(STOP_WITHIN_MS, undefined, { signal: stopped.signal }).catch(() => undefined),
    ]);
    stopped.abort();
  }
}
