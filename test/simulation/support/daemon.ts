import { isSameDirectory, liveFirst, plan, type DirectoryPlan } from '../../../src/core/lifecycle.ts';
import { createSiteContext, type PassOptions, type SiteContext } from '../../../src/delivery/context.ts';
import { DirectoryWork } from '../../../src/delivery/directory-work.ts';
import { createLimits, runCycle, type Limits } from '../../../src/delivery/run-cycle.ts';
import { isMarker } from '../../../src/source/markers.ts';
import { readRoot } from '../../../src/source/root.ts';

/**
 * The daemon without its watcher: the work on a directory lasts from cycle to cycle, close events come at any time, and the root is
 * looked at again while a cycle runs.
 */
export class SimulatedDaemon {
  readonly #options: PassOptions;
  readonly #site: SiteContext;
  readonly #limits: Limits = createLimits();
  readonly #works = new Map<string, { readonly work: DirectoryWork; plan: DirectoryPlan }>();
  /** Works that are over once what they sent has its outcome; meanwhile another may begin under the same name. */
  readonly #ending = new Map<DirectoryWork, Promise<void>>();
  /** Files that were closed, in their order, as paths below the root. */
  readonly #events: string[] = [];

  constructor(options: PassOptions) {
    this.#options = options;
    this.#site = createSiteContext(options, 'forever');
  }

  closed(path: string): void {
    this.#events.push(path);
  }

  /** The kernel dropped them; the next cycle lists everything anyway. */
  loseEvents(): void {
    this.#events.length = 0;
    for (const { work } of this.#works.values()) work.queue.lateProof.doubtAll();
  }

  /** The directory was moved or removed: a watch of it says so. */
  gone(directory: string): void {
    this.#end(directory);
  }

  /** Events come before time goes on. */
  deliverEvents(): void {
    while (this.deliverEvent());
  }

  /** False: there was none. */
  deliverEvent(): boolean {
    const path = this.#events.shift();
    if (path === undefined) return false;
    const slash = path.indexOf('/');
    const name = path.slice(slash + 1);
    if (!isMarker(name)) this.#works.get(path.slice(0, slash))?.work.queue.close(name);
    return true;
  }

  /** One cycle of every unfinished directory. */
  async cycle(): Promise<void> {
    const plans = this.#look();
    this.#options.state.keepRecordsOf(new Set(plans.map(({ directory }) => directory.name)));
    const unfinished = liveFirst(plans).filter(({ phase }) => phase !== 'finished');
    const planned = new Map(unfinished.map((one) => [one.directory.name, one]));
    for (const [name, known] of this.#works)
      if (!isSameDirectory(planned.get(name)?.directory, known.plan.directory)) this.#end(name);
    const ended = await Promise.allSettled(unfinished.map((one) => this.#cycle(one)));
    await Promise.all(this.#ending.values());
    const defect = ended.find(({ status }) => status === 'rejected');
    if (defect?.status === 'rejected') throw defect.reason;
  }

  /** After a crash: without effect. */
  [Symbol.dispose](): void {
    for (const { work } of this.#works.values()) work[Symbol.dispose]();
    for (const work of this.#ending.keys()) work[Symbol.dispose]();
  }

  async #cycle(one: DirectoryPlan): Promise<void> {
    const { name } = one.directory;
    const known = this.#works.get(name) ?? { work: new DirectoryWork(one, this.#site), plan: one };
    known.plan = one;
    this.#works.set(name, known);
    const cycle = await runCycle(this.#limits, {
      open: () => known.work,
      plan: () => this.#lookAt(known.plan),
      signal: this.#site.signal,
    });
    await known.work.queue.drain();
    if (cycle?.end?.finished === true && this.#works.get(name) === known) this.#end(name);
  }

  #lookAt(before: DirectoryPlan): DirectoryPlan {
    const now = this.#look().find(({ directory }) => directory.name === before.directory.name);
    return now !== undefined && now.phase !== 'finished' && isSameDirectory(now.directory, before.directory)
      ? now
      : before;
  }

  /** What closes a directory comes in the same row as what was written before. */
  #look(): DirectoryPlan[] {
    const { root, tag, newest } = this.#options.config.source;
    const plans = plan(readRoot(root, tag, this.#site.isExcluded).directories, newest);
    this.deliverEvents();
    return plans;
  }

  #end(name: string): void {
    const work = this.#works.get(name)?.work;
    this.#works.delete(name);
    if (work === undefined) return;
    const drained = this.#drain(work);
    drained.catch(() => undefined); // A crash; else `cycle` reports it.
    this.#ending.set(work, drained);
  }

  async #drain(work: DirectoryWork): Promise<void> {
    await work.queue.drain();
    this.#ending.delete(work);
    work[Symbol.dispose]();
  }
}
