import { isSameDirectory, liveFirst, type DirectoryPlan } from '../core/lifecycle.ts';
import { UserError } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import { cannotWork, failedDirectory, isGone } from '../source/directory-failures.ts';
import type { Report } from '../core/events.ts';
import type { BornMarked } from '../core/overview.ts';
import { DirectoryJob, type JobContext } from './directory-job.ts';
import type { RootView } from './root-watch.ts';

/** Each watched directory takes an inotify instance, and a user has 128 of them: the newest ones count. */
const MOST_WATCHED = 16;

/** The jobs of a site: one for each unfinished directory. */
export class Jobs implements Iterable<DirectoryJob> {
  readonly #jobs = new Map<Name, DirectoryJob>();
  /** What was reported of directories on which no work is possible. */
  readonly #unworkable = new Map<Name, string>();
  /** A directory of the same name waits for their end: both would write one record, and what is older could arrive last. */
  readonly #ending = new Map<Name, Promise<void>>();
  readonly #context: JobContext;
  readonly #wake: (name: Name) => void;
  #foundByEnded = 0;
  #lastBornMarked: BornMarked | undefined;

  constructor(context: Omit<JobContext, 'finished' | 'wake'> & { readonly wake: (name: Name) => void }) {
    this.#wake = context.wake;
    this.#context = {
      ...context,
      wake: () => undefined, // Each job has its own.
      finished: (job) => {
        this.#end(job);
        this.#wake(job.plan.directory.name);
      },
    };
  }

  [Symbol.iterator](): Iterator<DirectoryJob> {
    return this.#jobs.values();
  }

  /** Directories on which no work is possible, and why. */
  get unworkable(): ReadonlyMap<Name, string> {
    return this.#unworkable;
  }

  /** Of the directory that ended last, if it had files that were born with the mark. */
  get lastBornMarked(): readonly BornMarked[] {
    return this.#lastBornMarked === undefined ? [] : [this.#lastBornMarked];
  }

  /** Files that listings found although close events were reported. */
  get foundByListing(): number {
    return [...this].reduce((sum, { work }) => sum + work.foundByListing, this.#foundByEnded);
  }

  /**
   * Takes what a look at the root shows: jobs end whose directory is gone or finished, new ones begin.
   * @param everything every directory is to be listed, not only those that changed
   */
  apply({ plans, has }: RootView, everything: boolean): void {
    const planned = new Map(plans.map((one) => [one.directory.name, one]));
    for (const [name, job] of this.#jobs) {
      if (job.isGone || !isSameDirectory(planned.get(name)?.directory, job.plan.directory)) {
        if (!has(name)) this.#reportVanished(name);
        this.#end(job);
      }
    }
    for (const name of this.#unworkable.keys()) if (!planned.has(name)) this.#unworkable.delete(name);
    const watched = new Set(plans.slice(-MOST_WATCHED));
    for (const one of liveFirst(plans)) {
      const { name } = one.directory;
      if (this.#ending.has(name)) continue; // Its end wakes us.
      const known = this.#jobs.get(name);
      const job = known ?? this.#begin(one);
      if (job === undefined) continue;
      const changed = job.plan.phase !== one.phase || job.plan.closedBy !== one.closedBy;
      job.plan = one;
      // First the watch, then the listing: it asks for one itself when it is established.
      const isNewlyWatched = !job.isWatched && one.closedBy !== 'parser' && watched.has(one);
      if (isNewlyWatched) job.watch();
      else if (known === undefined || changed || everything) job.request();
    }
  }

  /** What was not sent of it is lost, or has another name now. */
  #reportVanished(name: Name): void {
    const message = `${showName(name)} vanished before it was finished`;
    this.#report({ type: 'note', level: 'warning', message });
  }

  endAll(): void {
    for (const job of this.#jobs.values()) this.#end(job);
  }

  /** Resolves when all jobs that were ended are over. */
  async ended(): Promise<void> {
    await Promise.all(this.#ending.values());
  }

  /** Undefined where the directory cannot be worked on: reported once, and tried again with the next listing of the root. */
  #begin(one: DirectoryPlan): DirectoryJob | undefined {
    const { name } = one.directory;
    try {
      const job = new DirectoryJob(one, { ...this.#context, wake: () => this.#wake(name) });
      this.#unworkable.delete(name);
      this.#jobs.set(name, job);
      return job;
    } catch (error) {
      const failure = error instanceof UserError ? error : cannotWork(name, error);
      const isReported = this.#unworkable.get(name) === failure.message;
      if (!isGone(error) && !isReported) this.#report(failedDirectory(name, failure));
      this.#unworkable.set(name, failure.message);
      return undefined;
    }
  }

  get #report(): Report {
    return this.#context.site.report;
  }

  #end(job: DirectoryJob): void {
    const { name } = job.plan.directory;
    if (this.#jobs.get(name) !== job) return; // Its end was begun by the signal, while it was finishing.
    this.#jobs.delete(name);
    this.#foundByEnded += job.work.foundByListing;
    const count = job.work.count.current?.bornMarked ?? 0;
    this.#lastBornMarked = count === 0 ? undefined : { directory: name, count };
    const ended = disposed(job).finally(() => {
      this.#ending.delete(name);
      this.#wake(name);
    });
    ended.catch(this.#context.defect);
    this.#ending.set(name, ended);
  }
}

const disposed = async (job: DirectoryJob): Promise<void> => {
  await job[Symbol.asyncDispose]();
};
