import { createBudget } from './budget.ts';
import type { Config } from './config.ts';
import { cannotWork, failedDirectory, isGone } from './directory-troubles.ts';
import { createIsExcluded } from './exclude.ts';
import type { Report, SummaryEvent } from './events.ts';
import { plan, type DirectoryPlan } from './lifecycle.ts';
import { look } from './look.ts';
import { openDirectoryRecord } from './adopt.ts';
import { readRoot } from './scanner.ts';
import type { Patience } from './line.ts';
import { createSender } from './sender.ts';
import type { Name } from './name.ts';
import { createShipment, type Shipment, type ShipmentContext } from './shipment.ts';
import type { StateFolder } from './state.ts';
import type { Transport } from './transport.ts';
import { createWritersView } from './writers.ts';

export interface PassOptions {
  readonly config: Config;
  readonly state: StateFolder;
  readonly destinations: readonly Transport[];
  /** Work on these directories only; undefined: on all. */
  readonly only?: ReadonlySet<Name> | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

// While one directory's last files travel and are verified, the next ones are fed: at most so many wait for their end.
export const SETTLING_AT_ONCE = 16;

/** What all work on the directories of a site shares: one sender, one tally, one look at who writes. */
export const createSiteContext = (
  { config, state, destinations, report, signal }: PassOptions,
  patience: Patience,
): ShipmentContext => {
  const { root, exclude } = config.source;
  const { retry } = config.send;
  return {
    config,
    state,
    isExcluded: createIsExcluded(exclude),
    destinations,
    sender: createSender({ root, destinations, retry, patience, report, signal }),
    writers: createWritersView(),
    tally: { sent: 0, bytes: 0, skipped: 0, failed: 0, held: 0, finished: 0 },
    report,
    signal,
  };
};

/** One pass over a site: look, plan, send, verify, finish. `complete` says that nothing was left that could be sent. */
export const runPass = async (options: PassOptions): Promise<{ summary: SummaryEvent; complete: boolean }> => {
  const started = performance.now();
  const { config, state, only, signal } = options;
  const { root, tag, newest } = config.source;
  const context = createSiteContext(options, 'pass');
  const { isExcluded, tally, sender } = context;

  const directories = readRoot(root, tag, isExcluded);
  state.keepRecordsOf(new Set(directories.map(({ name }) => name)));
  const settling = createBudget(() => SETTLING_AT_ONCE);
  const tails: Promise<void>[] = [];
  for (const work of liveFirst(plan(directories, newest))) {
    if (signal.aborted) break;
    if (only?.has(work.directory.name) === false) continue;
    await settling.take(1);
    const shipment = await attempt(work.directory.name, context, () =>
      createShipment(work, context, { feedsNow: true }),
    );
    if (shipment === undefined) {
      settling.give(1);
      continue;
    }
    await shipment.feed(work);
    const tail = endRound(work, shipment).finally(() => {
      shipment[Symbol.dispose]();
      settling.give(1);
    });
    tail.catch(() => undefined); // Thrown below, when all have ended.
    tails.push(tail);
  }
  const ends = await Promise.allSettled(tails);
  const defect = ends.find((end) => end.status === 'rejected');
  if (defect !== undefined) throw defect.reason;
  return {
    complete: tally.failed === 0 && sender.over === undefined,
    summary: { type: 'summary', ...tally, seconds: (performance.now() - started) / 1000 },
  };
};

/** Undefined where the directory cannot be worked on, which is told and counted: the others go on. */
const attempt = async <T>(
  directory: Name,
  { tally, report }: { readonly tally: { failed: number }; readonly report: Report },
  use: () => T | Promise<T>,
): Promise<T | undefined> => {
  try {
    return await use();
  } catch (error) {
    const trouble = cannotWork(directory, error);
    if (isGone(error)) return undefined;
    tally.failed += 1;
    report(failedDirectory(directory, trouble));
    return undefined;
  }
};

/**
 * What `runPass` would send, and what it would hold back; sends and changes nothing. Resolves with whether every directory could
 * be looked into.
 */
export const planPass = async ({
  config,
  state,
  report,
  signal,
}: Omit<PassOptions, 'destinations'>): Promise<boolean> => {
  const { root, tag, newest, exclude, settleMs } = config.source;
  const isExcluded = createIsExcluded(exclude);
  const writers = createWritersView();
  const tally = { failed: 0 };
  for (const { directory, phase, closedBy } of liveFirst(plan(readRoot(root, tag, isExcluded), newest))) {
    signal.throwIfAborted();
    if (phase === 'finished') continue;
    await attempt(directory.name, { tally, report }, async () => {
      using record = openDirectoryRecord(directory, { root, state, isExcluded, report, dry: true });
      await look(
        directory,
        closedBy,
        record,
        { root, isExcluded, settleMs, writers },
        {
          ready: (path, stats) => {
            report({ type: 'planned', path: `${directory.name}/${path}`, bytes: Number(stats.size), phase });
            return undefined;
          },
          heldBack: (path, reason) => report({ type: 'held-back', path: `${directory.name}/${path}`, reason }),
          skipped: (path, kind) => report({ type: 'skipped', path: `${directory.name}/${path}`, kind }),
        },
      );
    });
  }
  return tally.failed === 0;
};

/** The directory's share of the pass is over when its sends are. */
const endRound = async (work: DirectoryPlan, shipment: Shipment): Promise<void> => {
  await shipment.settle(work);
  await shipment.dispatch.drain();
};

/** Live files go before the backlog; the backlog goes oldest first. */
export const liveFirst = (plans: readonly DirectoryPlan[]): DirectoryPlan[] => [
  ...plans.filter(({ phase }) => phase === 'open'),
  ...plans.filter(({ phase }) => phase === 'closed'),
];
