import type { Semaphore } from '../core/semaphore.ts';
import { createPendingEvents } from './pending-events.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import { isMarker } from '../source/scanner.ts';
import { createDirectoryWork, type DirectoryWork } from '../delivery/directory-work.ts';
import type { SiteContext } from '../delivery/context.ts';
import type { FileEvent } from '../watcher/file-events.ts';
import type { TreeWatch } from '../watcher/watch-tree.ts';
import type { Watcher } from '../watcher/watcher.ts';

/** One unfinished directory in the daemon: its watch, and rounds of work on it, one at a time. */
export interface DirectoryJob extends AsyncDisposable {
  readonly work: DirectoryWork;
  /** What the last look at the root said of it. */
  plan: DirectoryPlan;
  /** A round is wanted: now, or once more after the one that runs. */
  request(): void;
  /** From now on its events are heard. Harmless when repeated. */
  watch(): void;
  readonly isWatched: boolean;
  /** Its watch says that it was removed or renamed: what has its name now is another one, also where the inode is used again. */
  readonly isGone: boolean;
}

/** What the jobs of one site have in common. */
export interface JobContext {
  readonly site: SiteContext;
  readonly watcher: Watcher;
  /** Backlog directories are listed one after the other, while so many of them wait for their last files. */
  readonly limits: { readonly listing: Semaphore; readonly finishing: Semaphore };
  /** Something happened that only a look at the root can judge. */
  readonly wake: () => void;
  readonly eventsLost: () => void;
  readonly finished: (job: DirectoryJob) => void;
  /** A defect of ours. */
  readonly defect: (error: unknown) => void;
}

export const createDirectoryJob = (first: DirectoryPlan, context: JobContext): DirectoryJob => {
  const { watcher, limits, wake, eventsLost, finished, defect } = context;
  const { root, settleMs } = context.site.config.source;
  const { isExcluded } = context.site;
  const own = new AbortController();
  const signal = AbortSignal.any([context.site.signal, own.signal]);
  const shipment = createDirectoryWork(first, { ...context.site, signal });
  let running: Promise<void> | undefined;
  /** The round that runs looks at what is asked for now; later is too late. */
  let isPastListing = false;
  let again = false;
  let isGone = false;
  let timer: NodeJS.Timeout | undefined;
  let tree: TreeWatch | undefined;

  const round = async (): Promise<void> => {
    const isBacklog = job.plan.phase !== 'open';
    if (isBacklog) {
      await limits.finishing.acquire(1);
      await limits.listing.acquire(1);
    }
    try {
      try {
        again = false;
        isPastListing = true;
        if (!signal.aborted) await shipment.list(job.plan);
      } finally {
        if (isBacklog) limits.listing.release(1);
      }
      if (signal.aborted) return;
      const end = await shipment.finish(job.plan);
      // What the events did not tell of.
      for (const folder of end.folders) tree?.ensureWatched(folder);
      if (end.finished) finished(job);
      else if (end.dueMs !== undefined) requestIn(end.dueMs);
    } finally {
      if (isBacklog) limits.finishing.release(1);
    }
  };

  const run = async (): Promise<void> => {
    try {
      do {
        isPastListing = false;
        await round();
      } while (again && !signal.aborted);
    } catch (error) {
      defect(error);
    } finally {
      running = undefined;
    }
  };

  const request = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (signal.aborted) return;
    if (running === undefined) running = run();
    else again ||= isPastListing;
  };
  const requestIn = (ms: number): void => {
    if (!signal.aborted) timer ??= setTimeout(request, ms);
  };
  const hints = createPendingEvents(settleMs, request);

  const hear = (event: FileEvent): void => {
    if (signal.aborted) return;
    switch (event.kind) {
      case 'closed':
        if (event.path === FINISHED_PARSE) wake();
        else if (!isMarker(event.path)) {
          hints.explain(event.path);
          shipment.queue.closed(event.path);
        }
        return;
      case 'hint':
        if (event.path === FINISHED_PARSE) wake();
        else hints.add(event.path);
        return;
      case 'rescan':
        if (event.why === 'overflow' || event.why === 'restart' || event.why === 'lag') eventsLost();
        request();
        return;
      case 'gone':
        isGone = true;
        wake();
        return;
      case 'folder':
        return; // Its watch asks for a listing once it is established.
    }
  };

  const job: DirectoryJob = {
    work: shipment,
    plan: first,
    request,
    get isGone() {
      return isGone;
    },
    get isWatched() {
      return tree !== undefined;
    },
    watch: () => {
      if (tree !== undefined || signal.aborted) return;
      tree = watcher.watchTree(`${root}/${first.directory.name}`, isExcluded, hear);
      if (watcher.exact) void tree.ready.then(() => shipment.expectEvents());
    },
    [Symbol.asyncDispose]: async () => {
      own.abort();
      clearTimeout(timer);
      hints[Symbol.dispose]();
      await tree?.[Symbol.asyncDispose]();
      await running;
      await shipment.queue.drain().catch(defect);
      shipment[Symbol.dispose]();
    },
  };
  return job;
};
