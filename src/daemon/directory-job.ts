import { setTimeout as delay } from 'node:timers/promises';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import type { SiteContext } from '../delivery/context.ts';
import { BEHIND_MS } from '../delivery/cycle-end.ts';
import { DirectoryWork } from '../delivery/directory-work.ts';
import { runCycle, type Limits } from '../delivery/run-cycle.ts';
import type { Name } from '../name.ts';
import { FINISHED_PARSE, isMarker } from '../source/markers.ts';
import type { FileEvent } from '../watcher/file-events.ts';
import type { TreeWatch } from '../watcher/watch-tree.ts';
import type { Watcher } from '../watcher/watcher.ts';
import { createPendingEvents, type PendingEvents } from './pending-events.ts';

/** What the jobs of one site have in common. */
export interface JobContext {
  readonly site: SiteContext;
  readonly watcher: Watcher;
  readonly limits: Limits;
  /** Something happened that only a listing of the root can judge. */
  readonly wake: () => void;
  readonly eventsLost: () => void;
  readonly closed: (path: Name) => void;
  readonly finished: (job: DirectoryJob) => void;
  /** A defect. */
  readonly defect: (error: unknown) => void;
}

/** One unfinished directory in the daemon: its watch, and cycles of work on it, one at a time. */
export class DirectoryJob implements AsyncDisposable {
  readonly work: DirectoryWork;
  /** What the last listing of the root said of it. */
  plan: DirectoryPlan;
  readonly #context: JobContext;
  readonly #own = new AbortController();
  readonly #signal: AbortSignal;
  readonly #events: PendingEvents;
  readonly #running: Promise<void>;
  #tree: TreeWatch | undefined;
  #isGone = false;
  /** A cycle is wanted: now, or once more after the one that runs. */
  #isWanted = false;
  #isWantedSoon = false;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(plan: DirectoryPlan, context: JobContext) {
    const { site } = context;
    this.plan = plan;
    this.#context = context;
    this.#signal = AbortSignal.any([site.signal, this.#own.signal]);
    this.work = new DirectoryWork(plan, { ...site, signal: this.#signal }, () => this.#requestSoon());
    this.#events = createPendingEvents(site.config.source.settleMs, () => this.request());
    this.#signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    this.#running = this.#run().catch(context.defect);
  }

  /** Asks for a cycle. */
  request(): void {
    this.#isWanted = true;
    this.#wake.resolve();
  }

  /** A file that was closed did not get to every destination: no event tells of it again. */
  #requestSoon(): void {
    if (this.#isWantedSoon) return;
    this.#isWantedSoon = true;
    const waitMs = Math.max(BEHIND_MS, this.#context.site.sender.retryInMs ?? 0);
    setTimeout(() => {
      this.#isWantedSoon = false;
      this.request();
    }, waitMs).unref();
  }

  /** From now on its events are heard. Harmless when repeated. */
  watch(): void {
    if (this.isWatched || this.#signal.aborted) return;
    const { watcher, site } = this.#context;
    const path = `${site.config.source.root}/${this.plan.directory.name}`;
    this.#tree = watcher.watchTree(path, site.isExcluded, (event) => this.#hear(event));
    if (watcher.exact) void this.#tree.ready.then(() => this.work.expectEvents());
  }

  get isWatched(): boolean {
    return this.#tree !== undefined;
  }

  /** Its watch says that it was removed or renamed: what has its name now is another one, also where the inode is used again. */
  get isGone(): boolean {
    return this.#isGone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#own.abort();
    this.#events[Symbol.dispose]();
    await this.#running;
    await this.work.queue.drain().catch(this.#context.defect);
    // Of a directory that is gone nobody hears what is closed in it.
    if (this.#context.site.signal.aborted) await this.work.queue.lateProof.end();
    await this.#tree?.[Symbol.asyncDispose]();
    this.work[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    let dueMs: number | undefined;
    for (;;) {
      await this.#until(dueMs);
      if (this.#signal.aborted) return;
      const cycle = await runCycle(this.#context.limits, {
        open: () => {
          this.#isWanted = false; // What is asked for from here on may be too late for this listing.
          return this.work;
        },
        plan: () => this.plan,
        signal: this.#signal,
      });
      // What the events did not report.
      for (const folder of cycle?.end?.folders ?? []) this.#tree?.ensureWatched(folder);
      if (cycle?.end?.finished === true) this.#context.finished(this);
      dueMs = cycle?.end?.dueMs;
    }
  }

  /** Waits until a cycle is wanted, or due. */
  async #until(dueMs: number | undefined): Promise<void> {
    if (this.#isWanted) return;
    this.#wake = Promise.withResolvers();
    if (this.#signal.aborted) return;
    if (dueMs === undefined) return this.#wake.promise;
    const woken = new AbortController();
    const timer = delay(dueMs, undefined, { signal: woken.signal }).catch(() => undefined);
    await Promise.race([this.#wake.promise, timer]);
    woken.abort(); // A timer that is left would hold the process.
  }

  #hear(event: FileEvent): void {
    if (this.#signal.aborted) {
      this.#hearAtEnd(event);
      return;
    }
    switch (event.kind) {
      case 'closed':
        if (event.path === FINISHED_PARSE) this.#context.wake();
        else if (!isMarker(event.path)) {
          this.#events.explain(event.path);
          this.#context.closed(`${this.plan.directory.name}/${event.path}`);
          this.work.queue.close(event.path);
        }
        return;
      case 'hint':
        if (event.path === FINISHED_PARSE) this.#context.wake();
        else this.#events.add(event.path);
        return;
      case 'rescan':
        if (areLost(event)) {
          this.work.queue.lateProof.doubtAll();
          this.#context.eventsLost();
        }
        // The parser may have closed it before its watch was there, or its event was lost.
        if (event.path === '') this.#context.wake();
        this.request();
        return;
      case 'gone':
        this.#isGone = true;
        this.#context.wake();
        return;
      case 'folder':
        return; // Its watch asks for a listing once it is established.
    }
  }
  /** Nothing is sent any more; what is closed now is not proved. */
  #hearAtEnd(event: FileEvent): void {
    if (event.kind === 'closed') this.work.queue.lateProof.doubt(event.path);
    else if (event.kind === 'gone' || areLost(event)) this.work.queue.lateProof.doubtAll();
  }
}

const areLost = (event: FileEvent): boolean =>
  event.kind === 'rescan' && (event.why === 'overflow' || event.why === 'restart' || event.why === 'lag');
