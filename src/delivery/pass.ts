import type { Report, SummaryEvent } from '../core/events.ts';
import { liveFirst, plan, type DirectoryPlan } from '../core/lifecycle.ts';
import { unfinishableIn, type Overview } from '../core/overview.ts';
import type { FileCount } from '../core/survey.ts';
import { UserError } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import { noteFinishedElsewhere } from '../marks/finished-elsewhere.ts';
import { cannotWork, failedDirectory, isGone } from '../source/directory-failures.ts';
import { LINKED_CURE, linkedDirectories } from '../source/linked-directories.ts';
import { replacedRoot, rootIdentity } from '../source/root-identity.ts';
import { readRoot, type RootListing } from '../source/root.ts';
import { warnOfUnmatchedTag } from '../source/unmatched-tag.ts';
import { areReached } from './are-reached.ts';
import { createSiteContext, type PassOptions, type SiteContext } from './context.ts';
import { DirectoryWork } from './directory-work.ts';
import { LateDirectories } from './late-directories.ts';
import type { HeldBackFile } from './listing.ts';
import { replacedDirectories } from './replaced-directories.ts';
import { createLimits, runCycle, type Limits } from './run-cycle.ts';

export interface PassEnd {
  readonly summary: SummaryEvent;
  /** Nothing was left that could be sent. */
  readonly complete: boolean;
  /** Directories in which files were left unsent. */
  readonly unsentIn: readonly Name[];
  /** Finished directories that were changed since. */
  readonly late: readonly Name[];
  /** Directories that are finished. */
  readonly finished: number;
  /** Those that are not, with what is in them. */
  readonly left: readonly LeftDirectory[];
  /** Destinations that answered, as messages name them. */
  readonly reached: readonly string[];
  readonly bornMarked: Overview['bornMarked'];
  readonly open: Overview['open'];
  readonly unfinishable: Overview['unfinishable'];
}

export interface LeftDirectory {
  readonly plan: DirectoryPlan;
  /** undefined: no listing of it was through. */
  count: FileCount | undefined;
  isFinished: boolean;
}

/** One pass over a site: list, send, verify, finish. */
export const runPass = async (options: PassOptions): Promise<PassEnd> => {
  const started = performance.now();
  const { config, state, only } = options;
  const { root, tag, newest } = config.source;
  const rootAtFirst = rootIdentity(root);
  const site = createSiteContext(options, 'pass');
  const { isExcluded, counters, sender } = site;

  const { directories, unreadable, links } = readRoot(root, tag, isExcluded);
  state.keepRecordsOf(new Set([...directories, ...unreadable].map(({ name }) => name)));
  counters.unfinished += reportUnreadable(unreadable, site, only);
  if (only === undefined) reportLinks(root, links, site.report);
  if (directories.length + unreadable.length === 0) warnOfUnmatchedTag(config.source, site.report);
  const late = new LateDirectories(state.path, site.report);
  late.note(directories);
  const labels = sender.destinations.map(({ label }) => label);
  // Beside the rest: a destination that is new and silent keeps the others from nothing.
  const noted = noteFinishedElsewhere(
    state.path,
    root,
    directories,
    { site: config.site, labels },
    {
      report: site.report,
      isReached: () => areReached(sender.destinations, { root, signal: site.signal }),
    },
  );
  noted.catch(() => undefined); // It is awaited at the end.
  const limits = createLimits();
  const unsentIn: Name[] = [];
  const unfinished = liveFirst(plan(directories, newest)).filter(
    ({ phase, directory }) => phase !== 'finished' && only?.has(directory.name) !== false,
  );
  const worked: LeftDirectory[] = [];
  let unlisted = unfinished.length;
  const foundAll = (): void => site.report({ type: 'found-all' });
  const listed = (): void => {
    unlisted -= 1;
    if (unlisted === 0) foundAll();
  };
  if (unlisted === 0) foundAll();
  const share = { limits, listed, unsentIn, worked };
  let behind = await passAll(unfinished, site, share);
  // Where one destination was faster than another, what the other lacks goes when the faster one has all.
  while (behind.length > 0 && !site.signal.aborted) behind = await passAll(behind, site, share);
  if (rootIdentity(root) === rootAtFirst) {
    const left = worked.filter(({ isFinished }) => !isFinished).map((one) => one.plan);
    if (!site.signal.aborted) await passAll(replacedDirectories(left, config.source, isExcluded), site, share);
  } else {
    // What vanished with it is not sent.
    counters.unfinished += 1;
    const { message, hint = '' } = replacedRoot(root);
    site.report({ type: 'note', level: 'warning', message: `${message}: ${hint}` });
  }
  await noted;
  return {
    complete: counters.failed + counters.unfinished === 0 && sender.fatal === undefined,
    summary: { type: 'summary', ...counters, seconds: (performance.now() - started) / 1000 },
    unsentIn,
    late: late.current,
    reached: sender.destinations.filter(({ health }) => health.wasReached).map(({ label }) => label),
    finished: directories.filter(({ finishedWatch }) => finishedWatch).length + counters.finished,
    ...seenIn(worked, counters.sent),
  };
};

/** What the directories show beside what was sent. */
const seenIn = (
  worked: readonly LeftDirectory[],
  sent: number,
): Pick<PassEnd, 'left' | 'bornMarked' | 'open' | 'unfinishable'> => {
  const bornMarked = worked.flatMap(({ plan: { directory }, count }) =>
    count === undefined || count.bornMarked === 0 ? [] : { directory: directory.name, count: count.bornMarked },
  );
  const left = worked.filter(({ isFinished }) => !isFinished);
  const counts = left.flatMap(({ plan: { directory, phase }, count }) =>
    count === undefined ? [] : { directory: directory.name, phase, ...count },
  );
  const open = left.find(({ plan: { phase } }) => phase === 'open');
  return {
    left,
    bornMarked: bornMarked.length === 0 && sent === 0 ? undefined : bornMarked,
    open: open?.count && { directory: open.plan.directory.name, changedMs: open.count.changedMs },
    unfinishable: unfinishableIn(counts),
  };
};

/** Returns how many there are: the others go on. */
export const reportUnreadable = (
  unreadable: RootListing['unreadable'],
  { report }: Pick<SiteContext, 'report'>,
  only?: ReadonlySet<Name>,
): number => {
  const concerned = unreadable.filter(({ name }) => only?.has(name) !== false);
  for (const { name, error } of concerned) report(failedDirectory(name, cannotWork(name, error)));
  return concerned.length;
};

export const reportLinks = (root: Name, links: RootListing['links'], report: Report): void => {
  const message = linkedDirectories(root, links);
  if (message !== undefined) report({ type: 'note', level: 'warning', message: `${message}; ${LINKED_CURE}` });
};

/** Resolves with those in which a destination was left behind. @throws what is a defect, when all of them are through */
const passAll = async (
  plans: readonly DirectoryPlan[],
  site: SiteContext,
  share: DirectoryShare,
): Promise<readonly DirectoryPlan[]> => {
  const ends = await Promise.allSettled(plans.map((one) => passDirectory(one, site, share)));
  const defect = ends.find(({ status }) => status === 'rejected');
  if (defect?.status === 'rejected') throw defect.reason;
  return plans.filter((_one, index) => {
    const end = ends[index];
    return end?.status === 'fulfilled' && end.value === 'behind';
  });
};

/** What the directories of a pass share. */
interface DirectoryShare {
  readonly limits: Limits;
  /** Called once for each, when it was listed or will not be. */
  readonly listed: () => void;
  readonly unsentIn: Name[];
  readonly worked: LeftDirectory[];
}

/** One directory's share of the pass; it is over when its sends are. */
const passDirectory = async (
  one: DirectoryPlan,
  site: SiteContext,
  { limits, listed, unsentIn, worked }: DirectoryShare,
): Promise<'behind' | 'done'> => {
  const here: LeftDirectory = { plan: one, count: undefined, isFinished: false };
  const earlier = worked.findIndex(({ plan: { directory } }) => directory.name === one.directory.name);
  worked.splice(earlier === -1 ? worked.length : earlier, 1, here);
  const cycle = await runCycle(limits, {
    open: () => attempt(one, site, () => new DirectoryWork(one, site)),
    plan: () => one,
    listed,
    signal: site.signal,
  });
  if (cycle === undefined) return 'done';
  using work = cycle.work;
  await work.drain();
  here.count = work.count.current;
  here.isFinished = cycle.end?.finished === true;
  if (here.isFinished) return 'done';
  if (work.isBehind && !site.signal.aborted) return 'behind';
  const unsent = work.leftUnsent();
  site.counters.failed += unsent;
  if (unsent > 0) unsentIn.push(one.directory.name);
  if (unsent > 0 && one.closedBy !== null) warnOfHeldBack(one.directory.name, cycle.end?.heldBack ?? [], site.report);
  return 'done';
};

/** A closed directory is left unsent, so what holds its files back is named: of an open one it is nobody's trouble. */
const warnOfHeldBack = (directory: Name, files: readonly HeldBackFile[], report: Report): void => {
  for (const { path, reason } of files) {
    if (reason.kind !== 'settling' && reason.kind !== 'open-for-writing') continue;
    const why =
      reason.kind === 'settling'
        ? `it changed less than source.settle ago, ${reason.secondsLeft} s to go`
        : `process ${reason.pid} has it open for writing`;
    const message = `"${showName(`${directory}/${path}`)}" is not sent yet: ${why}; the next scan sends it`;
    report({ type: 'note', level: 'warning', message });
  }
};

/** Undefined where the directory cannot be worked on, which is reported and counted: the others go on. */
const attempt = <T>(
  { directory }: DirectoryPlan,
  { counters, report }: Pick<SiteContext, 'report'> & { readonly counters: { unfinished: number } },
  use: () => T,
): T | undefined => {
  try {
    return use();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const failure = cannotWork(directory.name, error);
    if (isGone(error)) {
      report({
        type: 'note',
        level: 'warning',
        message: `${showName(directory.name)} vanished while it was worked on`,
      });
      return undefined;
    }
    counters.unfinished += 1;
    report(failedDirectory(directory.name, failure));
    return undefined;
  }
};
