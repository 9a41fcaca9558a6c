import { warnOfUnmatchedTag } from '../source/unmatched-tag.ts';
import { setTimeout as delay } from 'node:timers/promises';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import type { Overview } from '../core/overview.ts';
import type { Survey } from '../core/survey.ts';
import { createSiteContext, type Counters, type PassOptions, type SiteContext } from '../delivery/context.ts';
import { areReached } from '../delivery/are-reached.ts';
import { LateDirectories } from '../delivery/late-directories.ts';
import { createLimits } from '../delivery/run-cycle.ts';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';
import { noteFinishedElsewhere } from '../marks/finished-elsewhere.ts';
import type { FileEvent } from '../watcher/file-events.ts';
import type { Name } from '../name.ts';
import type { Watcher } from '../watcher/watcher.ts';
import { Jobs } from './jobs.ts';
import { RootWatch } from './root-watch.ts';
import { activityOf, countedIn, surveyOf, type DaemonActivity } from './tell.ts';

export interface DaemonOptions extends PassOptions {
  readonly watcher: Watcher;
  /** Called for each file that its writer closed, below the root. */
  readonly closed?: (path: Name) => void;
}

const isEmpty = (things: Iterable<unknown>): boolean => things[Symbol.iterator]().next().done === true;

/** What is in flight when the signal comes may end; a connection that is down must not hold us. */
const STOP_WITHIN_MS = 10_000;
/** The root is where it was, though it could not be listed just now: what goes on goes on. */
const PASSES = new Set(['EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'EINTR']);
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
  /** Aborted by a defect: everything ends. */
  readonly #broken = new AbortController();
  #eventsLost = 0;
  #lastRescanMs = performance.now();
  #isWoken = false;
  #isCompared = false;
  #listed: readonly DirectorySnapshot[] = [];
  /** Names in the root that something happened to; 'all': nobody knows which. */
  #changed: Set<Name> | 'all' = new Set();
  #failure: string | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    const signal = AbortSignal.any([options.signal, this.#broken.signal]);
    this.#site = createSiteContext({ ...options, signal }, 'forever');
    this.#root = new RootWatch(options.config.source, this.#site.isExcluded, options.report);
    this.#late = new LateDirectories(options.state.path, options.report);
    this.#jobs = new Jobs({
      site: this.#site,
      watcher: options.watcher,
      limits: createLimits(),
      closed: options.closed ?? (() => undefined),
      wake: (name) => this.#wake(name),
      eventsLost: () => {
        this.#eventsLost += 1;
      },
      defect: (error) => this.#break(error),
    });
    this.#defect.promise.catch(() => undefined); // Reported where it is awaited.
  }

  /** It lists everything in time: for a watchdog. */
  get isAlive(): boolean {
    return performance.now() - this.#lastRescanMs < LATE_RESCANS * this.#options.config.source.rescanMs;
  }

  /** What is wrong, for whoever tells people. */
  overview(): Overview {
    const { hold } = this.#options.config.send.retry;
    const jobs = [...this.#jobs];
    return {
      root: this.#root.failure,
      failing: this.activity().held.map(({ path, reason, hint, attempts }) => ({
        path,
        reason,
        hint: hint ?? undefined,
        held: attempts >= hold,
      })),
      unsentIn: jobs
        .filter(({ work }) => work.leftUnsent() > 0 || !isEmpty(work.queue.inFlight))
        .map(({ plan }) => plan.directory.name),
      ...countedIn(this.#jobs, this.#site.counters.sent),
      late: this.#late.current,
    };
  }

  /** What it did so far. */
  get counters(): Readonly<Counters> {
    return this.#site.counters;
  }

  /** Ends everything because of a defect beside it. */
  readonly fail = (defect: unknown): void => this.#break(defect);

  /** Resolves in order after the signal. Rejects with a defect. */
  async run(): Promise<void> {
    const { config, signal, watcher, report } = this.#options;
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const watch = watcher.watchFolder(config.source.root, (event) => this.#hear(event));
    const timer = setInterval(() => this.rescan(), config.source.rescanMs);
    try {
      await Promise.race([watch.ready, aborted]);
      warnOfUnmatchedTag(config.source, report);
      this.rescan();
      await Promise.race([aborted, this.#defect.promise]);
      await Promise.race([this.#stop(), this.#defect.promise]);
    } finally {
      clearInterval(timer);
      if (this.#broken.signal.aborted) await this.#stop();
      await watch[Symbol.asyncDispose]();
    }
  }

  /** Lists everything now. */
  rescan(): void {
    this.#listRoot(true);
  }

  activity(): DaemonActivity {
    const { bornMarked = [] } = countedIn(this.#jobs, 0);
    return {
      ...activityOf(this.#jobs, this.#site.sender.destinations),
      ...(bornMarked.length === 0 ? {} : { bornMarked: [...bornMarked] }),
      eventsLost: this.#eventsLost,
    };
  }

  /** What is known of each directory, without a look at the disk. */
  survey(): Survey {
    const unworkable = new Map([...this.#root.unreadable, ...this.#jobs.unworkable]);
    return { unfinished: surveyOf(this.#jobs), listed: this.#listed, unworkable };
  }

  #listRoot(everything: boolean): void {
    this.#changed = new Set();
    this.#lastRescanMs = performance.now();
    this.#guarded(() => {
      const whole = this.#root.list();
      this.#options.state.keepRecordsOf(whole.names);
      this.#late.note(whole.directories);
      this.#listed = whole.directories;
      if (!this.#isCompared) this.#compareDestinations(whole.directories);
      // While the root was away nothing that happened was heard.
      this.#jobs.apply(whole, everything || whole.wasAway);
      this.#failure = undefined;
    });
  }

  /** What happened in the root costs what it changed, and not what is there. */
  #look(): void {
    const names = this.#changed;
    this.#changed = new Set();
    this.#guarded(() => {
      const view = names === 'all' ? undefined : this.#root.look(names);
      if (view === undefined) this.#listRoot(false);
      else this.#jobs.apply(view, false);
    });
  }

  /** A root that is away ends the work on it; what the disk refuses otherwise is told once, and tried again by the next rescan. */
  #guarded(work: () => void): void {
    if (this.#site.signal.aborted) return;
    try {
      work();
    } catch (error) {
      if (error instanceof UserError) {
        if (!PASSES.has(systemErrorCode(error.cause) ?? '')) this.#jobs.endAll();
      } else if (systemErrorCode(error) === undefined) this.#break(error);
      else this.#noteFailure(errorMessage(error));
    }
  }

  /** Once: the destinations are the same for as long as the daemon runs. */
  #compareDestinations(directories: readonly DirectorySnapshot[]): void {
    const { state, config, report, destinations } = this.#options;
    this.#isCompared = true;
    const labels = destinations.map(({ label }) => label);
    const { sender, signal } = this.#site;
    const isReached = (): Promise<boolean> => areReached(sender.destinations, { root: config.source.root, signal });
    void noteFinishedElsewhere(
      state.path,
      config.source.root,
      directories,
      { site: config.site, labels },
      { report, isReached },
    ).then((isTold) => {
      this.#isCompared = isTold;
    });
  }

  #noteFailure(state: string): void {
    const message = `Cannot list everything: ${state}; it is tried again every source.rescan`;
    if (message !== this.#failure) this.#options.report({ type: 'note', level: 'warning', message });
    this.#failure = message;
  }

  #break(defect: unknown): void {
    this.#defect.reject(defect);
    this.#broken.abort();
  }

  /** One look for all that happens in one turn. `name` undefined: nobody knows what changed. */
  #wake(name?: Name): void {
    if (name === undefined) this.#changed = 'all';
    else if (this.#changed !== 'all') this.#changed.add(name);
    if (this.#isWoken) return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.#look();
    });
  }

  #hear(event: FileEvent): void {
    if (event.kind === 'rescan' && event.why !== 'ready') this.#eventsLost += 1;
    const path = event.kind === 'rescan' || event.kind === 'gone' ? '' : (event.path ?? '');
    if (path === '') this.#wake();
    else if (this.#root.concerns(path)) this.#wake(path);
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
