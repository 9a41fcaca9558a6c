import { openDirectoryRecord } from '../marks/claims.ts';
import { errorMessage, systemErrorCode, TransportError } from '../errors.ts';
import { createDispatch, type Dispatch } from './upload-queue.ts';
import { cannotWork, failedDirectory, isGone } from '../source/directory-failures.ts';
import { judgeClosed, type DirectoryPlan } from '../core/lifecycle.ts';
import { look, type Look } from './list-directory.ts';
import { finishDirectory } from './finish-directory.ts';
import { unmark } from '../marks/mark.ts';
import { showName, type Name } from '../name.ts';
import type { Discrepancy } from '../transport.ts';
import { createVerification } from '../verify/verification.ts';
import { createWalkMemory } from '../source/walk-memory.ts';
import { whatMoved } from './still-as-planned.ts';
import type { ShipmentContext } from './context.ts';

/** The work on one directory, for as long as it is not finished: one round in a pass of `scan`, many in the daemon. */
export interface Shipment extends Disposable {
  /** Begins a round: lists the directory and hands over what is unsent; resolves when the listing is through, with sends still under way. */
  feed(plan: DirectoryPlan): Promise<void>;
  /** Ends a round: waits for the sends; a closed directory is listed again until nothing is left, verified and finished. */
  settle(plan: DirectoryPlan): Promise<RoundEnd>;
  readonly dispatch: Dispatch;
  /** Files that a listing found although close events are told: `expectEvents` says since when they are. */
  readonly foundByListing: number;
  /** From the next listing on every file that is closed is told of. */
  expectEvents(): void;
}

export interface RoundEnd {
  readonly finished: boolean;
  /** Milliseconds until another round may get further; undefined: when something happens. */
  readonly dueMs: number | undefined;
  /** Sub-folders that the last listing met, below the directory. */
  readonly folders: readonly Name[];
}

// A parser that keeps touching files of a closed directory keeps us from finishing it, not from ending the pass.
const MOST_LOOKS = 5;
const FOUND_A_REPORT = 256;
/** A round is a listing: not oftener than this, whatever the configuration says. */
const SOONEST_MS = 100;

/**
 * Throws the system's error where the directory cannot be listed for its marks, and UserError where its record cannot be begun.
 * `feedsNow`: the first round follows at once, so that what was seen while the record was begun need not be listed again.
 */
export const createShipment = (
  { directory }: DirectoryPlan,
  context: ShipmentContext,
  { feedsNow = false }: { readonly feedsNow?: boolean } = {},
): Shipment => {
  const { config, state, isExcluded, destinations, sender, writers, tally, report, signal } = context;
  const { root, settleMs, supersededMs } = config.source;
  const { name } = directory;
  const memory = createWalkMemory();
  const walked = feedsNow ? memory.note : undefined;
  const record = openDirectoryRecord(directory, { root, state, isExcluded, report, dry: false, walked });
  const { retry } = config.send;
  const dispatch = createDispatch({ directory: name, record, sender, isExcluded, retry, tally, report });
  const { fates, submit, drain, troubles } = dispatch;
  let plan: DirectoryPlan;
  let found = { files: 0, bytes: 0 };
  let rounds = 0;
  let foundByListing = 0;
  let events: 'none' | 'from-now' | 'told' = 'none';
  /** Nothing went wrong, so that no temporary file can be left. */
  let isClean = record.isFresh;
  let seen: Look | undefined;
  /** It held a file back of which nothing else will tell: neither its close, nor the end of its sending. */
  let awaitsQuiet = false;
  let verification: ReturnType<typeof createVerification>;
  let toldReason: string | undefined;
  let wrong: Discrepancy[] = [];

  const reportFound = (): void => {
    if (found.files > 0) report({ type: 'found', directory: name, ...found });
    found = { files: 0, bytes: 0 };
  };
  /** `isFirst`: of the round; what was told in the first round of all is not told again. */
  const lookOnce = async (isFirst: boolean): Promise<Look> => {
    const tells = isFirst && rounds === 1;
    const { closedBy } = plan;
    const areEventsTold = events === 'told';
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
    const result = await look(
      directory,
      closedBy,
      record,
      { root, isExcluded, settleMs, writers, entries: memory.take() },
      {
        ...(closedBy === null ? {} : { sent: (path, stats) => verification.add(path, stats) }),
        ready: (path, stats) => {
          signal.throwIfAborted();
          if (isFirst && !dispatch.isKnown(path)) {
            if (areEventsTold && !troubles.mustWait(path)) foundByListing += 1;
            found = { files: found.files + 1, bytes: found.bytes + Number(stats.size) };
            if (found.files >= FOUND_A_REPORT) reportFound();
          }
          return submit(path, stats);
        },
        heldBack: (path, reason) => {
          // In a closed directory its close was told already, and the look at who writes may be a second old.
          const isTold = dispatch.isKnown(path) || (areEventsTold && reason.kind === 'open-for-writing');
          if (closedBy !== null || !isTold) awaitsQuiet = true;
          if (tells) report({ type: 'held-back', path: `${name}/${path}`, reason });
        },
        skipped: (path, kind) => {
          if (!tells) return;
          tally.skipped += 1;
          report({ type: 'skipped', path: `${name}/${path}`, kind });
        },
      },
    );
    reportFound();
    return result;
  };

  /** Why this closed directory cannot be finished, undefined when it is, 'again' where another look is needed. */
  const tryFinish = async (current: Look): Promise<string | undefined> => {
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
    const moved = whatMoved(root, plan);
    if (moved !== undefined) return moved;
    await finishDirectory(plan, current, context, { isClean });
    return undefined;
  };

  const noteFates = (): void => {
    isClean &&= fates.failed + fates.changed + fates.stopped === 0;
  };

  /** Is it finished? */
  const settleClosed = async (): Promise<boolean> => {
    let reason: string | undefined;
    for (let looks = 1; seen !== undefined && !signal.aborted && sender.over === undefined; looks += 1) {
      noteFates();
      reason = seen.unsent === 0 ? await tryFinish(seen) : whyUnsent(seen, fates);
      if (reason === undefined) return true;
      // What the destination still does not have is left unmarked: sent once more, it would pass for sent unverified.
      const isRefuted = wrong.length > 0 && looks >= MOST_LOOKS - 1;
      if (isRefuted) {
        tally.failed += wrong.length;
        reason = `${wrong.length} files that the destination confirmed are not there as they were sent`;
      }
      if (isRefuted || reason !== AGAIN || looks >= MOST_LOOKS) break;
      seen = await lookOnce(false);
      await drain();
    }
    tellUnfinished((reason === AGAIN ? 'files in it keep changing' : reason) ?? 'the run was stopped');
    return false;
  };

  const tellUnfinished = (reason: string): void => {
    if (reason !== toldReason) report({ type: 'unfinished', directory: name, reason });
    toldReason = reason;
  };

  /** Of the lines themselves the lines tell. */
  const tellTrouble = (error: unknown): void => {
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
        tally.failed += 1;
        if (reason !== toldReason) tellTrouble(error);
      }
      tellUnfinished(reason);
      return false;
    }
  };

  /** When what holds files or the whole directory back may be over. */
  const dueMs = (): number | undefined => {
    const dues = [troubles.dueMs];
    const awaitsWriter = plan.closedBy !== null && seen?.openForWriting === true;
    if (seen !== undefined && (awaitsQuiet || awaitsWriter)) dues.push(settleMs);
    if (plan.closedBy === 'superseded') dues.push(supersededMs);
    const known = dues.filter((due) => due !== undefined);
    return known.length === 0 ? undefined : Math.max(SOONEST_MS, Math.min(...known));
  };

  return {
    dispatch,
    get foundByListing() {
      return foundByListing;
    },
    expectEvents: () => {
      events = 'from-now';
    },
    feed: async (now) => {
      plan = now;
      rounds += 1;
      noteFates();
      dispatch.startRound();
      await guarded(async () => {
        seen = await lookOnce(true);
        return false;
      });
    },
    settle: async (now) => {
      const listedAs = plan.closedBy;
      plan = now;
      const finished = await guarded(async () => {
        // A listing that began before the directory was closed proves nothing: whoever saw it close asks for another round.
        if (plan.closedBy === null || plan.closedBy !== listedAs || seen === undefined) return false;
        await drain();
        return settleClosed();
      });
      return { finished, dueMs: dueMs(), folders: seen?.folders ?? [] };
    },
    [Symbol.dispose]: () => record[Symbol.dispose](),
  };
};

const AGAIN = 'again';

const whyUnsent = ({ unsent, heldBack }: Look, { failed, stopped, waiting }: Dispatch['fates']): string => {
  if (failed + stopped + waiting > 0) return `${failed + stopped + waiting} files could not be sent`;
  return heldBack === unsent ? `${heldBack} files are still being written` : AGAIN;
};
