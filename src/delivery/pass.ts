import { createSemaphore } from '../core/semaphore.ts';
import { cannotWork, failedDirectory, isGone } from '../source/directory-failures.ts';
import { createIsExcluded } from '../source/exclude.ts';
import type { Report, SummaryEvent } from '../core/events.ts';
import { plan, type DirectoryPlan } from '../core/lifecycle.ts';
import { listDirectory } from './list-directory.ts';
import { openDirectoryRecord } from '../marks/claims.ts';
import { readRoot } from '../source/scanner.ts';
import type { Name } from '../name.ts';
import { createDirectoryWork, type DirectoryWork } from './directory-work.ts';
import { createOpenFilesView } from '../source/open-files.ts';
import { createSiteContext, FINISHING_AT_ONCE, type PassOptions } from './context.ts';

/** One pass over a site: look, plan, send, verify, finish. `complete` says that nothing was left that could be sent. */
export const runPass = async (options: PassOptions): Promise<{ summary: SummaryEvent; complete: boolean }> => {
  const started = performance.now();
  const { config, state, only, signal } = options;
  const { root, tag, newest } = config.source;
  const context = createSiteContext(options, 'pass');
  const { isExcluded, counters, sender } = context;

  const directories = readRoot(root, tag, isExcluded);
  state.keepRecordsOf(new Set(directories.map(({ name }) => name)));
  const finishing = createSemaphore(() => FINISHING_AT_ONCE);
  const tails: Promise<void>[] = [];
  for (const work of liveFirst(plan(directories, newest))) {
    if (signal.aborted) break;
    if (only?.has(work.directory.name) === false) continue;
    await finishing.acquire(1);
    const shipment = await attempt(work.directory.name, context, () =>
      createDirectoryWork(work, context, { listsNow: true }),
    );
    if (shipment === undefined) {
      finishing.release(1);
      continue;
    }
    await shipment.list(work);
    const tail = endCycle(work, shipment).finally(() => {
      shipment[Symbol.dispose]();
      finishing.release(1);
    });
    tail.catch(() => undefined); // Thrown below, when all have ended.
    tails.push(tail);
  }
  const ends = await Promise.allSettled(tails);
  const defect = ends.find((end) => end.status === 'rejected');
  if (defect !== undefined) throw defect.reason;
  return {
    complete: counters.failed === 0 && sender.fatal === undefined,
    summary: { type: 'summary', ...counters, seconds: (performance.now() - started) / 1000 },
  };
};

/** Undefined where the directory cannot be worked on, which is told and counted: the others go on. */
const attempt = async <T>(
  directory: Name,
  { counters, report }: { readonly counters: { failed: number }; readonly report: Report },
  use: () => T | Promise<T>,
): Promise<T | undefined> => {
  try {
    return await use();
  } catch (error) {
    const trouble = cannotWork(directory, error);
    if (isGone(error)) return undefined;
    counters.failed += 1;
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
  const writers = createOpenFilesView();
  const counters = { failed: 0 };
  for (const { directory, phase, closedBy } of liveFirst(plan(readRoot(root, tag, isExcluded), newest))) {
    signal.throwIfAborted();
    if (phase === 'finished') continue;
    await attempt(directory.name, { counters, report }, async () => {
      using record = openDirectoryRecord(directory, { root, state, isExcluded, report, dry: true });
      await listDirectory(
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
  return counters.failed === 0;
};

/** The directory's share of the pass is over when its sends are. */
const endCycle = async (work: DirectoryPlan, shipment: DirectoryWork): Promise<void> => {
  await shipment.finish(work);
  await shipment.queue.drain();
};

/** Live files go before the backlog; the backlog goes oldest first. */
export const liveFirst = (plans: readonly DirectoryPlan[]): DirectoryPlan[] => [
  ...plans.filter(({ phase }) => phase === 'open'),
  ...plans.filter(({ phase }) => phase === 'closed'),
];
