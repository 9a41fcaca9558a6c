import { openDirectoryRecord } from '../marks/claims.ts';
import { errorMessage, systemErrorCode, TransportError } from '../errors.ts';
import { createUploadQueue, type UploadQueue } from './upload-queue.ts';
import { cannotWork, failedDirectory, isGone } from '../source/directory-failures.ts';
import { judgeClosed, type DirectoryPlan } from '../core/lifecycle.ts';
import { listDirectory, type Listing } from './list-directory.ts';
import { finishDirectory } from './finish-directory.ts';
import { unmark } from '../marks/mark.ts';
import { showName, type Name } from '../name.ts';
import type { Discrepancy } from '../transport.ts';
import { createVerification } from '../verify/verification.ts';
import { createWalkMemory } from '../source/walk-memory.ts';
import { whyNotAsPlanned } from './still-as-planned.ts';
import type { SiteContext } from './context.ts';

/** The work on one directory, for as long as it is not finished: one round in a pass of `scan`, many in the daemon. */
export interface DirectoryWork extends Disposable {
  /** Begins a round: lists the directory and hands over what is unsent; resolves when the listing is through, with sends still under way. */
  list(plan: DirectoryPlan): Promise<void>;
  /** Ends a round: waits for the sends; a closed directory is listed again until nothing is left, verified and finished. */
  finish(plan: DirectoryPlan): Promise<CycleEnd>;
  readonly queue: UploadQueue;
  /** Files that a listing found although close events are told: `expectEvents` says since when they are. */
  readonly foundByListing: number;
  /** From the next listing on every file that is closed is told of. */
  expectEvents(): void;
}

export interface CycleEnd {
  readonly finished: boolean;
  /** Milliseconds until another round may get further; undefined: when something happens. */
  readonly dueMs: number | undefined;
  /** Sub-folders that the last listing met, below the directory. */
  readonly folders: readonly Name[];
}

// A parser that keeps touching files of a closed directory keeps us from finishing it, not from ending the pass.
const MOST_LISTINGS = 5;
const FOUND_A_REPORT = 256;
/** A round is a listing: not oftener than this, whatever the configuration says. */
const SOONEST_MS = 100;

/**
 * Throws the system's error where the directory cannot be listed for its marks, and UserError where its record cannot be begun.
 * `listsNow`: the first round follows at once, so that what was seen while the record was begun need not be listed again.
 */
export const createDirectoryWork = (
  { directory }: DirectoryPlan,
  context: SiteContext,
  { listsNow = false }: { readonly listsNow?: boolean } = {},
): DirectoryWork => {
  const { config, state, isExcluded, destinations, sender, openFiles, counters, report, signal } = context;
  const { root, settleMs, supersededMs } = config.source;
  const { name } = directory;
  const memory = createWalkMemory();
  const walked = listsNow ? memory.note : undefined;
  const record = openDirectoryRecord(directory, { root, state, isExcluded, report, dry: false, onEntry: walked });
  const { retry } = config.send;
  const dispatch = createUploadQueue({ directory: name, record, sender, isExcluded, retry, counters, report });
  const { outcomes, submit, drain, failures } = dispatch;
  let plan: DirectoryPlan;
  let found = { files: 0, bytes: 0 };
  let rounds = 0;
  let foundByListing = 0;
  let events: 'none' | 'from-now' | 'told' = 'none';
  /** Nothing went wrong, so that no temporary file can be left. */
  let isClean = record.isFresh;
  let seen: Listing | undefined;
  /** It held a file back of which nothing else will tell: neither its close, nor the end of its sending. */
  let awaitsQuiet = false;
  let verification: ReturnType<typeof createVerification>;
  let reportedReason: string | undefined;
  let wrong: Discrepancy[] = [];

  const reportFound = (): void => {
    if (found.files > 0) report({ type: 'found', directory: name, ...found });
    found = { files: 0, bytes: 0 };
  };
  /** `isFirst`: of the round; what was told in the first round of all is not told again. */
  const listOnce = async (isFirst: boolean): Promise<Listing> => {
    const tells = isFirst && rounds === 1;
    const { closedBy } = plan;
    const areEventsReported = events === 'told';
    awaitsQuiet = false;
    if (events === 'from-now') events = 'told';
    wrong = [];
    verification = createVerification({
      root,
      directory: name,
      record,
      destinations,
      level: config.verify,
      found: (discrepancy) => wrong.push(discrepancy),
      signal,
    });
    const result = await listDirectory(
      directory,
      closedBy,
      record,
      { root, isExcluded, settleMs, writers: openFiles, entries: memory.take() },
      {
        ...(closedBy === null ? {} : { sent: (path, stats) => verification.add(path, stats) }),
        ready: (path, stats) => {
          signal.throwIfAborted();
          if (isFirst && !dispatch.isKnown(path)) {
            if (areEventsReported && !failures.mustWait(path)) foundByListing += 1;
            found = { files: found.files + 1, bytes: found.bytes + Number(stats.size) };
            if (found.files >= FOUND_A_REPORT) reportFound();
          }
          return submit(path, stats);
        },
        heldBack: (path, reason) => {
          // In a closed directory its close was told already, and the look at who writes may be a second old.
          const isTold = dispatch.isKnown(path) || (areEventsReported && reason.kind === 'open-for-writing');
          if (closedBy !== null || !isTold) awaitsQuiet = true;
          if (tells) report({ type: 'held-back', path: `${name}/${path}`, reason });
        },
        skipped: (path, kind) => {
          if (!tells) return;
          counters.skipped += 1;
          report({ type: 'skipped', path: `${name}/${path}`, kind });
        },
      },
    );
    reportFound();
    return result;
  };

  /** Why this closed directory cannot be finished, undefined when it is, 'again' where another look is needed. */
  const tryFinish = async (current: Listing): Promise<string | undefined> => {
    const { closedBy } = plan;
    await verification.end();
    for (const { file, detail } of wrong) {
      report({
        type: 'note',
        level: 'warning',
        message: `"${showName(file.targetPath)}" at the destination: ${detail}. It is sent again`,
      });
      unmark(root, file.targetPath);
    }
    if (wrong.length > 0) return AGAIN;
    const verdict = judgeClosed(
      {
        closedBy: closedBy ?? 'superseded',
        unsent: current.unsent,
        openForWriting: current.openForWriting,
        quietMs: Date.now() - current.changedMs,
      },
      supersededMs,
    );
    if (!verdict.finish) return verdict.reason;
    const moved = whyNotAsPlanned(root, plan);
    if (moved !== undefined) return moved;
    await finishDirectory(plan, current, context, { isClean });
    return undefined;
  };

  const noteOutcomes = (): void => {
    isClean &&= outcomes.failed + outcomes.changed + outcomes.stopped === 0;
  };

  /** Is it finished? */
  const finishClosed = async (): Promise<boolean> => {
    let reason: string | undefined;
    for (let looks = 1; seen !== undefined && !signal.aborted && sender.fatal === undefined; looks += 1) {
      noteOutcomes();
      reason = seen.unsent === 0 ? await tryFinish(seen) : whyUnsent(seen, outcomes);
      if (reason === undefined) return true;
      // What the destination still does not have is left unmarked: sent once more, it would pass for sent unverified.
      const isRefuted = wrong.length > 0 && looks >= MOST_LISTINGS - 1;
      if (isRefuted) {
        counters.failed += wrong.length;
        reason = `${wrong.length} files that the destination confirmed are not there as they were sent`;
      }
      if (isRefuted || reason !== AGAIN || looks >= MOST_LISTINGS) break;
      seen = await listOnce(false);
      await drain();
    }
    reportUnfinished((reason === AGAIN ? 'files in it keep changing' : reason) ?? 'the run was stopped');
    return false;
  };

  const reportUnfinished = (reason: string): void => {
    if (reason !== reportedReason) report({ type: 'unfinished', directory: name, reason });
    reportedReason = reason;
  };

  /** Of the lines themselves the lines tell. */
  const reportFailure = (error: unknown): void => {
    const trouble = error instanceof TransportError ? error : cannotWork(name, error);
    if (trouble.class === 'file') report(failedDirectory(name, trouble));
  };

  const guarded = async (work: () => Promise<boolean>): Promise<boolean> => {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return false;
      // The line went down, or the disk did not let us. Anything else is a defect of ours.
      if (!(error instanceof TransportError) && systemErrorCode(error) === undefined) throw error;
      seen = undefined;
      const reason = errorMessage(error);
      // That the directory was removed while we worked on it leaves nothing to be sent.
      if (!isGone(error)) {
        counters.failed += 1;
        if (reason !== reportedReason) reportFailure(error);
      }
      reportUnfinished(reason);
      return false;
    }
  };

  /** When what holds files or the whole directory back may be over. */
  const dueMs = (): number | undefined => {
    const dues = [failures.dueMs];
    const awaitsWriter = plan.closedBy !== null && seen?.openForWriting === true;
    if (seen !== undefined && (awaitsQuiet || awaitsWriter)) dues.push(settleMs);
    if (plan.closedBy === 'superseded') dues.push(supersededMs);
    const known = dues.filter((due) => due !== undefined);
    return known.length === 0 ? undefined : Math.max(SOONEST_MS, Math.min(...known));
  };

  return {
    queue: dispatch,
    get foundByListing() {
      return foundByListing;
    },
    expectEvents: () => {
      events = 'from-now';
    },
    list: async (now) => {
      plan = now;
      rounds += 1;
      noteOutcomes();
      dispatch.startCycle();
      await guarded(async () => {
        seen = await listOnce(true);
        return false;
      });
    },
    finish: async (now) => {
      const listedAs = plan.closedBy;
      plan = now;
      const finished = await guarded(async () => {
        // A listing that began before the directory was closed proves nothing: whoever saw it close asks for another round.
        if (plan.closedBy === null || plan.closedBy !== listedAs || seen === undefined) return false;
        await drain();
        return finishClosed();
      });
      return { finished, dueMs: dueMs(), folders: seen?.folders ?? [] };
    },
    [Symbol.dispose]: () => record[Symbol.dispose](),
  };
};

const AGAIN = 'again';

const whyUnsent = ({ unsent, heldBack }: Listing, { failed, stopped, waiting }: UploadQueue['outcomes']): string => {
  if (failed + stopped + waiting > 0) return `${failed + stopped + waiting} files could not be sent`;
  return heldBack === unsent ? `${heldBack} files are still being written` : AGAIN;
};
