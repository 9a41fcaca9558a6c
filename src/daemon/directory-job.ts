import type { Budget } from '../core/semaphore.ts';
import { createHints } from './pending-events.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import { isOurs } from '../source/scanner.ts';
import { createShipment, type Shipment } from '../delivery/directory-work.ts';
import type { ShipmentContext } from '../delivery/context.ts';
import type { FileEvent } from '../watcher/file-events.ts';
import type { TreeWatch } from '../watcher/watch-tree.ts';
import type { Watcher } from '../watcher/watcher.ts';

/** One unfinished directory in the daemon: its watch, and rounds of work on it, one at a time. */
export interface DirectoryJob extends AsyncDisposable {
  readonly shipment: Shipment;
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
  readonly shipment: ShipmentContext;
  readonly watcher: Watcher;
  /** Backlog directories are listed one after the other, while so many of them wait for their last files. */
  readonly lanes: { readonly feeding: Budget; readonly settling: Budget };
  /** Something happened that only a look at the root can judge. */
  readonly nudge: () => void;
  readonly eventsLost: () => void;
  readonly finished: (job: DirectoryJob) => void;
  /** A defect of ours. */
  readonly defect: (error: unknown) => void;
}

export const createDirectoryJob = (first: DirectoryPlan, context: JobContext): DirectoryJob => {
  const { watcher, lanes, nudge, eventsLost, finished, defect } = context;
  const { root, settleMs } = context.shipment.config.source;
  const { isExcluded } = context.shipment;
  const own = new AbortController();
  const signal = AbortSignal.any([context.shipment.signal, own.signal]);
  const shipment = createShipment(first, { ...context.shipment, signal });
  let running: Promise<void> | undefined;
  /** The round that runs looks at what is asked for now; later is too late. */
  let isPastLooking = false;
  let again = false;
  let isGone = false;
  let timer: NodeJS.Timeout | undefined;
  let tree: TreeWatch | undefined;

  const round = async (): Promise<void> => {
    const isBacklog = job.plan.phase !== 'open';
    if (isBacklog) {
      await lanes.settling.take(1);
      await lanes.feeding.take(1);
    }
    try {
      try {
        again = false;
        isPastLooking = true;
        if (!signal.aborted) await shipment.feed(job.plan);
      } finally {
        if (isBacklog) lanes.feeding.give(1);
      }
      if (signal.aborted) return;
      const end = await shipment.settle(job.plan);
      // What the events did not tell of.
      for (const folder of end.folders) tree?.see(folder);
      if (end.finished) finished(job);
      else if (end.dueMs !== undefined) requestIn(end.dueMs);
    } finally {
      if (isBacklog) lanes.settling.give(1);
    }
  };

  const run = async (): Promise<void> => {
    try {
      do {
        isPastLooking = false;
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
    else again ||= isPastLooking;
  };
  const requestIn = (ms: number): void => {
    if (!signal.aborted) timer ??= setTimeout(request, ms);
  };
  const hints = createHints(settleMs, request);

  const hear = (event: FileEvent): void => {
    if (signal.aborted) return;
    switch (event.kind) {
      case 'closed':
        if (event.path === FINISHED_PARSE) nudge();
        else if (!isOurs(event.path)) {
          hints.explain(event.path);
          shipment.dispatch.closed(event.path);
        }
        return;
      case 'hint':
        if (event.path === FINISHED_PARSE) nudge();
        else hints.hint(event.path);
        return;
      case 'rescan':
        if (event.why === 'overflow' || event.why === 'restart' || event.why === 'lag') eventsLost();
        request();
        return;
      case 'gone':
        isGone = true;
        nudge();
        return;
      case 'folder':
        return; // Its watch asks for a listing once it is established.
    }
  };

  const job: DirectoryJob = {
    shipment,
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
      await shipment.dispatch.drain().catch(defect);
      shipment[Symbol.dispose]();
    },
  };
  return job;
};
