import { KEEPS_CHANGING, nextStep } from '../core/closing.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import { errorMessage, plainMessage, systemErrorCode, TransportError } from '../errors.ts';
import type { MarkRecord } from '../marks/mark-record.ts';
import { openDirectoryRecord } from '../marks/record.ts';
import { showName } from '../name.ts';
import { cannotWork, failedDirectory, isGone } from '../source/directory-failures.ts';
import type { SiteContext } from './context.ts';
import { DirectoryCount } from './directory-count.ts';
import { DirectoryCycle } from './directory-cycle.ts';
import { drain } from './drain.ts';
import { finishDirectory } from './finish-directory.ts';
import { FinishedTwin } from './finished-twin.ts';
import { ListingTurn } from './listing-turn.ts';
import { dueMs, type CycleEnd } from './cycle-end.ts';
import { UnreadableNames } from './unreadable-names.ts';
import { Manifest } from './manifest.ts';
import { isFolderThere } from './still-as-planned.ts';
import { takeBack } from './take-back.ts';
import { UploadQueue } from './upload-queue.ts';

/** The work on one directory for as long as it is not finished: one cycle in a pass of `scan`, many in the daemon. */
export class DirectoryWork implements Disposable {
  readonly queue: UploadQueue;
  readonly count: DirectoryCount;
  readonly #site: SiteContext;
  readonly #record: MarkRecord;
  readonly #unreadable: UnreadableNames;
  readonly #manifest: Manifest | undefined;
  readonly #twin: FinishedTwin;
  readonly #outagesBefore: number;
  /** Nothing went wrong, and all of it in this state, so that no temporary file can be left at a destination. */
  #isClean: boolean;
  #cycle: DirectoryCycle;
  #cycles = 0;
  #events: 'none' | 'from-now' | 'reported' = 'none';
  #foundByListing = 0;
  #reportedReason: string | undefined;
  #reportedFailure: string | undefined;

  /** @param onLeft called for each file that is left to another cycle, whether or not one runs @throws UserError where its record cannot be begun */
  constructor(plan: DirectoryPlan, site: SiteContext, onLeft: () => void = () => undefined) {
    const { config, state, keys, sender, report } = site;
    const { name } = plan.directory;
    this.#site = site;
    this.#record = openDirectoryRecord(state, name, keys, (message) => this.#warn(message), { sums: config.manifest });
    this.count = new DirectoryCount(this.#record, config.source.trustMarks);
    this.#manifest = config.manifest ? new Manifest(site, name, this.#record) : undefined;
    this.#isClean = this.#record.isFresh && !state.isOlder(plan.directory);
    this.#unreadable = new UnreadableNames(name, report);
    this.#outagesBefore = sender.outages;
    this.#twin = new FinishedTwin(name, site, () => this.#cycle.plan.directory.twins);
    this.queue = new UploadQueue({
      ...site,
      directory: name,
      record: this.#record,
      retry: config.send.retry,
      mayBegin: () => this.#twin.check(),
      onOutcome: (path, outcome, stats) => {
        this.count.noteOutcome(path, outcome, stats);
        if (outcome.result === 'stopped' || outcome.result === 'left-behind') onLeft();
      },
    });
    this.#cycle = this.#newCycle(plan);
  }

  /** Files that a listing found although close events are reported. */
  get foundByListing(): number {
    return this.#foundByListing;
  }

  /** From the next listing on every file that is closed is reported. */
  expectEvents(): void {
    this.#events = 'from-now';
  }

  /** Begins a cycle: lists the directory and hands over what is unsent; resolves when the listing is through, with sends still under way. */
  async list(plan: DirectoryPlan, turn: ListingTurn): Promise<void> {
    this.#noteOutcomes();
    this.#cycles += 1;
    this.queue.startCycle();
    this.#cycle = this.#newCycle(plan);
    this.#unreadable.startCycle();
    await this.#guarded(async () => {
      await this.#twin.check(turn);
      await this.#cycle.list({ isFirst: true, turn });
      return false;
    });
  }

  /** Ends a cycle: waits for the sends; a closed directory is listed again until nothing is left, verified and finished. */
  async finish(plan: DirectoryPlan): Promise<CycleEnd> {
    this.#cycle.plan = plan;
    const finished = await this.#guarded(() => this.#finishWhenDone());
    const { folders = [], firstHeldBack: heldBack = [] } = this.#cycle.listing ?? {};
    return { finished, dueMs: dueMs({ cycle: this.#cycle, queue: this.queue, ...this.#site }), folders, heldBack };
  }

  /** Some files are left to another cycle, which sends them to a destination that is slower than others. */
  get isBehind(): boolean {
    return this.queue.outcomes['left-behind'] > 0;
  }

  /** contract.md §5: files that the last cycle left unsent. Call it when the queue is drained. */
  leftUnsent(): number {
    return this.#cycle.leftUnsent();
  }

  [Symbol.dispose](): void {
    this.#record[Symbol.dispose]();
  }

  #newCycle(plan: DirectoryPlan): DirectoryCycle {
    const areEventsReported = this.#events === 'reported';
    if (this.#events === 'from-now') this.#events = 'reported';
    return new DirectoryCycle(plan, this.#site, {
      record: this.#record,
      queue: this.queue,
      manifest: this.#manifest,
      areEventsReported,
      tells: this.#cycles === 1,
      count: this.count,
      foundByListing: () => {
        this.#foundByListing += 1;
      },
      unreadable: (path, error) => this.#unreadable.note(path, error),
    });
  }

  /** Waits for the sends of an open directory, which its cycle leaves under way. */
  async drain(): Promise<void> {
    await this.#guarded(async () => {
      await this.#drain();
      return false;
    });
  }

  /** What a destination lacks that was silent goes there as soon as it answers. */
  #drain(): Promise<void> {
    return drain(this.queue, this.#site.sender, async () => {
      if (this.isBehind) await this.#cycle.list({ isFirst: false, turn: new ListingTurn() });
    });
  }

  /** Is it finished? */
  async #finishWhenDone(): Promise<boolean> {
    const [{ sender, signal, config }, cycle] = [this.#site, this.#cycle];
    // An open directory goes on with its sends under way.
    if (cycle.plan.closedBy === null || cycle.listing === undefined) return false;
    await this.#drain();
    while (!signal.aborted && sender.fatal === undefined) {
      this.#noteOutcomes();
      const step = nextStep(cycle.facts(), config.source.supersededMs);
      switch (step.kind) {
        case 'wait':
          if (step.reason === KEEPS_CHANGING) this.#warnOfChanging();
          if (step.reason !== undefined) this.#reportUnfinished(step.reason, step.isStuck);
          return false;
        case 'list':
          await cycle.list({ isFirst: false, turn: new ListingTurn() });
          await this.#drain();
          break;
        case 'verify':
          if (takeBack(await cycle.verify(), cycle.plan.directory.name, this.#record, this.#site))
            this.#isClean = false;
          break;
        case 'confirm':
          await cycle.confirm();
          break;
        case 'write-manifest':
          await cycle.writeManifest();
          break;
        case 'finish':
          return this.#finish();
      }
    }
    this.#reportUnfinished(sender.fatal === undefined ? 'the run was stopped' : errorMessage(sender.fatal));
    return false;
  }

  async #finish(): Promise<boolean> {
    const { plan, listing } = this.#cycle;
    this.queue.lateProof.add(this.#cycle.presumed); // The listing looked at writers.
    const isClean =
      this.#isClean && this.#manifest?.isInterrupted !== true && this.#site.sender.outages === this.#outagesBefore;
    const options = { isClean, checked: this.#cycle.checked, manifest: this.#manifest?.sha256 };
    const left =
      listing === undefined ? 'it was not listed' : await finishDirectory(plan, listing, this.#site, options);
    if (left !== undefined) {
      this.#reportUnfinished(left);
      return false;
    }
    this.#cycle.reportSkipped();
    return true;
  }

  #noteOutcomes(): void {
    const { failed, changed, stopped, 'left-behind': leftBehind } = this.queue.outcomes;
    this.#isClean &&= failed + changed + stopped + leftBehind === 0;
  }

  /** Before the reason is reported, which is done once. */
  #warnOfChanging(): void {
    if (this.#reportedReason === KEEPS_CHANGING) return;
    const { name } = this.#cycle.plan.directory;
    for (const path of this.queue.changing)
      this.#warn(`"${showName(`${name}/${path}`)}" changed whenever it was sent: it is left unsent`);
  }

  #warn(message: string): void {
    this.#site.report({ type: 'note', level: 'warning', message });
  }

  #reportUnfinished(reason: string, isStuck?: true): void {
    const { name } = this.#cycle.plan.directory;
    if (reason !== this.#reportedReason) this.#site.report({ type: 'unfinished', directory: name, reason, isStuck });
    this.#reportedReason = reason;
  }

  async #guarded(work: () => Promise<boolean>): Promise<boolean> {
    const { signal, counters, report, config } = this.#site;
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return false;
      // The connection went down, or the disk did not let us. Anything else is a defect.
      if (!(error instanceof TransportError) && systemErrorCode(error) === undefined) throw error;
      const { name } = this.#cycle.plan.directory;
      this.#cycle.listing = undefined;
      const reason = plainMessage(error); // Without the path, which may name another descriptor each time.
      if (isGone(error)) {
        if (!isFolderThere(config.source.root, name)) this.#warn(`${showName(name)} vanished while it was worked on`);
      } else {
        counters.unfinished += 1;
        const failure = error instanceof TransportError ? error : cannotWork(name, error);
        // A connection reports its own failures.
        if (failure.class === 'file' && failure.message !== this.#reportedFailure)
          report(failedDirectory(name, failure));
        this.#reportedFailure = failure.message;
      }
      this.#reportUnfinished(reason);
      return false;
    }
  }
}
