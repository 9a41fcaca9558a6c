import { lstatSync } from 'node:fs';
import { openDirectoryRecord } from './adopt.ts';
import type { Config } from './config.ts';
import { errorMessage, systemErrorCode, TransportError } from './errors.ts';
import type { Report } from './events.ts';
import { createDispatch, type Tally } from './dispatch.ts';
import { judgeClosed, type DirectoryPlan } from './lifecycle.ts';
import { look, type Look } from './look.ts';
import { writeFinishedWatch } from './finished-watch.ts';
import { FINISHED_PARSE, modeWithoutMark, unmark } from './mark.ts';
import { fsPath, showName, type Name } from './name.ts';
import type { IsExcluded } from './scanner.ts';
import type { Fate, Sender } from './sender.ts';
import type { StateFolder } from './state.ts';
import type { Discrepancy, Transport } from './transport.ts';
import { createVerification } from './verification.ts';
import type { WritersView } from './writers.ts';

/** What the work on a directory needs from its site. */
export interface ShipmentContext {
  readonly config: Config;
  readonly state: StateFolder;
  readonly isExcluded: IsExcluded;
  readonly destinations: readonly Transport[];
  readonly sender: Sender;
  readonly writers: WritersView;
  readonly tally: Tally;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** The work on one directory in one pass. */
export interface Shipment extends Disposable {
  /** Lists the directory and hands over what is unsent; resolves when the listing is through, with sends still under way. */
  feed(): Promise<void>;
  /** Waits for the sends; a closed directory is listed again until nothing is left, verified and finished. */
  settle(): Promise<void>;
}

// A parser that keeps touching files of a closed directory keeps us from finishing it, not from ending the pass.
const MOST_LOOKS = 5;
const FOUND_A_REPORT = 256;

export const createShipment = (plan: DirectoryPlan, context: ShipmentContext): Shipment => {
  const { config, state, isExcluded, destinations, sender, writers, tally, report, signal } = context;
  const { directory, closedBy } = plan;
  const { root, settleMs, supersededMs } = config.source;
  const { name } = directory;
  const record = openDirectoryRecord(directory, { root, state, isExcluded, report, dry: false });
  const { fates, submit, drain } = createDispatch(name, record, sender, tally);
  let found = { files: 0, bytes: 0 };
  let looks = 0;
  let seen: Look | undefined;
  let verification: ReturnType<typeof createVerification>;
  let wrong: Discrepancy[] = [];

  const reportFound = (): void => {
    if (found.files > 0) report({ type: 'found', directory: name, ...found });
    found = { files: 0, bytes: 0 };
  };
  const lookOnce = async (): Promise<Look> => {
    looks += 1;
    const isFirst = looks === 1;
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
      { root, isExcluded, settleMs, writers },
      {
        ...(closedBy === null ? {} : { sent: (path, stats) => verification.add(path, stats) }),
        ready: (path, stats) => {
          signal.throwIfAborted();
          if (isFirst) {
            found = { files: found.files + 1, bytes: found.bytes + Number(stats.size) };
            if (found.files >= FOUND_A_REPORT) reportFound();
          }
          return submit(path, stats);
        },
        heldBack: (path, reason) => {
          if (isFirst) report({ type: 'held-back', path: `${name}/${path}`, reason });
        },
        skipped: (path, kind) => {
          if (!isFirst) return;
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
    await tidy(current);
    if (config.announce && closedBy === 'parser') await announce();
    writeFinishedWatch(root, directory, {
      files: current.files,
      bytes: current.bytes,
      first: current.files > 0 ? new Date(current.firstMs).toISOString() : null,
      last: current.files > 0 ? new Date(current.lastMs).toISOString() : null,
      closedBy,
      verified: config.verify,
      destinations: destinations.map(({ label }) => label),
    });
    tally.finished += 1;
    report({
      type: 'finished',
      directory: name,
      closedBy: closedBy ?? 'superseded',
      files: current.files,
      bytes: current.bytes,
    });
    return undefined;
  };

  const tidy = async (current: Look): Promise<void> => {
    const folders = [name, ...current.folders.map((folder) => `${name}/${folder}`)];
    // Temporary files can only be left where some run did not get through: this one had no trouble and was the first.
    const isClean = fates.failed + fates.changed + fates.stopped === 0 && record.isFresh;
    if (!isClean) await Promise.all(destinations.map((transport) => transport.tidy(folders, signal)));
  };

  const announce = async (): Promise<void> => {
    const targetPath = `${name}/${FINISHED_PARSE}`;
    const identity = lstatSync(fsPath(`${root}/${targetPath}`), { bigint: true });
    await sender.deliver({
      sourcePath: `${root}/${targetPath}`,
      targetPath,
      mode: modeWithoutMark(identity),
      identity,
    });
  };

  const settleClosed = async (): Promise<void> => {
    let reason: string | undefined;
    while (seen !== undefined && !signal.aborted && sender.over === undefined) {
      reason = seen.unsent === 0 ? await tryFinish(seen) : whyUnsent(seen, fates);
      if (reason === undefined) return;
      // What the destination still does not have is left unmarked: sent once more, it would pass for sent unverified.
      const isRefuted = wrong.length > 0 && looks >= MOST_LOOKS - 1;
      if (isRefuted) {
        tally.failed += wrong.length;
        reason = `${wrong.length} files that the destination confirmed are not there as they were sent`;
      }
      if (isRefuted || reason !== AGAIN || looks >= MOST_LOOKS) break;
      seen = await lookOnce();
      await drain();
    }
    report({
      type: 'unfinished',
      directory: name,
      reason: (reason === AGAIN ? 'files in it keep changing' : reason) ?? 'the run was stopped',
    });
  };

  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (signal.aborted) return;
      // The directory was removed, or the line went down, while we worked on it. Anything else is a defect of ours.
      if (!(error instanceof TransportError) && systemErrorCode(error) === undefined) throw error;
      if (error instanceof TransportError) tally.failed += 1;
      seen = undefined;
      report({ type: 'unfinished', directory: name, reason: errorMessage(error) });
    }
  };

  return {
    feed: () =>
      guarded(async () => {
        seen = await lookOnce();
      }),
    settle: () =>
      guarded(async () => {
        await drain();
        if (closedBy !== null && seen !== undefined) await settleClosed();
      }),
    [Symbol.dispose]: () => record[Symbol.dispose](),
  };
};

const AGAIN = 'again';

const whyUnsent = ({ unsent, heldBack }: Look, fates: Readonly<Record<Fate, number>>): string => {
  if (fates.failed + fates.stopped > 0) return `${fates.failed + fates.stopped} files could not be sent`;
  return heldBack === unsent ? `${heldBack} files are still being written` : AGAIN;
};

/** What was planned may no longer be so: made again under the same name, or the parser took its word back. */
const whatMoved = (root: Name, { directory, closedBy }: DirectoryPlan): string | undefined => {
  const path = `${root}/${directory.name}`;
  const now = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  if (now?.ino !== directory.ino || now.dev !== directory.dev) return 'it was replaced while it was sent';
  if (
    closedBy === 'parser' &&
    lstatSync(fsPath(`${path}/${FINISHED_PARSE}`), { throwIfNoEntry: false }) === undefined
  ) {
    return 'finished.parse was taken away';
  }
  return undefined;
};
