import { lstatSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createSemaphore } from '../core/semaphore.ts';
import type { Activity } from '../instance/activity.ts';
import { createDirectoryJob, type DirectoryJob, type JobContext } from './directory-job.ts';
import { cannotWork, failedDirectory, isGone } from '../source/directory-failures.ts';
import { UserError } from '../errors.ts';
import { isSameDirectory, plan, type DirectoryPlan } from '../core/lifecycle.ts';
import { fsPath, showName, type Name } from '../name.ts';
import { readRoot } from '../source/scanner.ts';
import { liveFirst } from '../delivery/pass.ts';
import { createSiteContext, FINISHING_AT_ONCE, type PassOptions } from '../delivery/context.ts';
import type { FileEvent } from '../watcher/file-events.ts';
import type { Watcher } from '../watcher/watcher.ts';

export interface DaemonOptions extends PassOptions {
  readonly watcher: Watcher;
}

/** The work on a site until the signal: what `runPass` does once, whenever something happens and every `source.rescan`. */
export interface Daemon {
  /** Resolves in order after the signal. Rejects with a defect of ours. */
  run(): Promise<void>;
  /** Look at everything now. */
  rescan(): void;
  /** It looks at everything in time: for a watchdog. */
  readonly isAlive: boolean;
  activity(): Omit<Activity, 'pid' | 'kind' | 'since' | 'watcher'>;
}

/** Each watched directory takes an inotify instance, and a user has 128 of them: the newest ones count. */
const MOST_WATCHED = 16;
/** What is in flight when the signal comes may end; a line that is down must not hold us. */
const STOP_WITHIN_MS = 10_000;
/** Looks that may be late before the watchdog hears of it. */
const LATE_RESCANS = 4;

export const createDaemon = (options: DaemonOptions): Daemon => {
  const { config, state, report, signal, watcher } = options;
  const { root, tag, newest, rescanMs } = config.source;
  const shipment = createSiteContext(options, 'forever');
  const { isExcluded, sender } = shipment;
  const jobs = new Map<Name, DirectoryJob>();
  /** What was told of directories that have no job for it. */
  const unworkable = new Map<Name, string>();
  const ending = new Set<Promise<void>>();
  const home = identityOf(root);
  const defect = Promise.withResolvers<never>();
  let eventsLost = 0;
  let foundByRescan = 0;
  let lastRescanMs = performance.now();
  let rootFailure: string | undefined;
  let isWoken = false;

  const context: JobContext = {
    site: shipment,
    watcher,
    limits: { listing: createSemaphore(() => 1), finishing: createSemaphore(() => FINISHING_AT_ONCE) },
    wake: () => wake(),
    eventsLost: () => {
      eventsLost += 1;
    },
    finished: (job) => end(job),
    defect: (error) => defect.reject(error),
  };

  const end = (job: DirectoryJob): void => {
    const { name } = job.plan.directory;
    if (jobs.get(name) !== job) return; // Its end was begun by the signal, while it was finishing.
    jobs.delete(name);
    foundByRescan += job.work.foundByListing;
    const ended = dispose(job).finally(() => ending.delete(ended));
    ended.catch(defect.reject);
    ending.add(ended);
  };

  /** Undefined where the directory cannot be worked on: told once, and tried again with the next look. */
  const openJob = (one: DirectoryPlan): DirectoryJob | undefined => {
    const { name } = one.directory;
    try {
      const job = createDirectoryJob(one, context);
      unworkable.delete(name);
      return job;
    } catch (error) {
      const trouble = cannotWork(name, error);
      if (!isGone(error) && unworkable.get(name) !== trouble.message) report(failedDirectory(name, trouble));
      unworkable.set(name, trouble.message);
      return undefined;
    }
  };

  /** Of the directories that a listing of the root shows now: whose job is over, which are new, which changed. */
  const apply = (plans: readonly DirectoryPlan[], everything: boolean): void => {
    const unfinished = plans.filter(({ phase }) => phase !== 'finished');
    const planned = new Map(unfinished.map((one) => [one.directory.name, one]));
    for (const [name, job] of jobs)
      if (job.isGone || !isSameDirectory(planned.get(name)?.directory, job.plan.directory)) end(job);
    for (const name of unworkable.keys()) if (!planned.has(name)) unworkable.delete(name);
    const watched = new Set(plans.slice(-MOST_WATCHED));
    for (const one of liveFirst(unfinished)) {
      const known = jobs.get(one.directory.name);
      const job = known ?? openJob(one);
      if (job === undefined) continue;
      const changed = job.plan.phase !== one.phase || job.plan.closedBy !== one.closedBy;
      job.plan = one;
      jobs.set(one.directory.name, job);
      // First the watch, then the listing: it asks for one itself when it is established.
      const isNewlyWatched = !job.isWatched && one.closedBy !== 'parser' && watched.has(one);
      if (isNewlyWatched) job.watch();
      else if (known === undefined || changed || everything) job.request();
    }
  };

  const rescanRoot = (everything: boolean): void => {
    if (signal.aborted) return;
    lastRescanMs = performance.now();
    try {
      const directories = readRoot(root, tag, isExcluded);
      if (identityOf(root) !== home) throw replaced(root);
      state.keepRecordsOf(new Set(directories.map(({ name }) => name)));
      if (rootFailure !== undefined) report({ type: 'note', level: 'warning', message: `${showName(root)} is back` });
      // After trouble nothing that happened meanwhile was heard.
      apply(plan(directories, newest), everything || rootFailure !== undefined);
      rootFailure = undefined;
    } catch (error) {
      if (!(error instanceof UserError)) {
        defect.reject(error);
        return;
      }
      const message = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
      if (message !== rootFailure) report({ type: 'note', level: 'warning', message });
      rootFailure = message;
      for (const job of jobs.values()) end(job);
    }
  };

  /** One look for all that happens in one turn. */
  const wake = (): void => {
    if (isWoken) return;
    isWoken = true;
    setImmediate(() => {
      isWoken = false;
      rescanRoot(false);
    });
  };

  const hearRoot = (event: FileEvent): void => {
    if (event.kind === 'rescan' && event.why !== 'ready') eventsLost += 1;
    wake();
  };

  const stop = async (): Promise<void> => {
    for (const job of jobs.values()) end(job);
    const stopped = new AbortController();
    await Promise.race([
      Promise.all(ending),
      delay(STOP_WITHIN_MS, undefined, { signal: stopped.signal }).catch(() => undefined),
    ]);
    stopped.abort();
  };

  return {
    rescan: () => rescanRoot(true),
    get isAlive() {
      return performance.now() - lastRescanMs < LATE_RESCANS * rescanMs;
    },
    run: async () => {
      const aborted = new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      const rootWatch = watcher.watchFolder(root, hearRoot);
      const rescan = setInterval(() => rescanRoot(true), rescanMs);
      try {
        await Promise.race([rootWatch.ready, aborted]);
        rescanRoot(true);
        await Promise.race([aborted, defect.promise]);
        await Promise.race([stop(), defect.promise]);
      } finally {
        clearInterval(rescan);
        await rootWatch[Symbol.asyncDispose]();
      }
    },
    activity: () => ({
      inFlight: [...jobs].flatMap(([name, { work: shipment }]) =>
        [...shipment.queue.inFlight].map((path) => `${name}/${path}`),
      ),
      held: [...jobs].flatMap(([name, { work: shipment }]) =>
        [...shipment.queue.failures.all].map(({ path, error, attempts, nextMs }) => ({
          path: `${name}/${path}`,
          reason: error.message,
          attempts,
          nextSeconds: Math.max(0, Math.round((nextMs - performance.now()) / 1000)),
        })),
      ),
      connections: sender.connections.map(({ destination, failure: trouble }) => ({
        destination,
        state: trouble === undefined ? 'up' : 'down',
        message: trouble?.message ?? null,
      })),
      eventsLost,
      foundByRescan:
        foundByRescan + [...jobs.values()].reduce((sum, { work: shipment }) => sum + shipment.foundByListing, 0),
    }),
  };
};

const dispose = async (job: DirectoryJob): Promise<void> => {
  await job[Symbol.asyncDispose]();
};

const identityOf = (root: Name): string => {
  const stats = lstatSync(fsPath(root), { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`;
};

const replaced = (root: Name): UserError =>
  new UserError(`Cannot go on with source.root "${showName(root)}": it is another folder than at the start`, {
    hint: 'was it unmounted? Put it back, or restart isocket to work on what is there now',
  });
