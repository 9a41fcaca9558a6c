import type { BigIntStats } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { Activity } from '../instance/activity.ts';
import { askActivity } from '../instance/ask.ts';
import { plainMessage, systemErrorCode } from '../errors.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { plan, type DirectoryPlan } from '../core/lifecycle.ts';
import type { FileCount } from '../core/survey.ts';
import { readBestEffort } from '../marks/best-effort.ts';
import type { OwnSite } from '../marks/finished-elsewhere.ts';
import { readRecordFor, type ReadRecord } from '../marks/record.ts';
import { isMarked } from '../marks/mark.ts';
import { asUnmarked, destinationKeys } from '../marks/record-hash.ts';
import type { Name } from '../name.ts';
import { readRoot } from '../source/root.ts';
import type { IsExcluded } from '../source/scanner.ts';
import { viewState, type StateView } from '../marks/state.ts';
import { unmatchedTag } from '../source/unmatched-tag.ts';
import { bestEffortStatus } from './best-effort-status.ts';
import {
  countDirectory,
  countedStatus,
  notCounted,
  type Counted,
  type CountsAsSent,
  type IsThere,
  type SiteLabels,
} from './count-directory.ts';
import { readDaemonLife } from './daemon-life.ts';
import { finishedStatus, readFinishedProof } from './finished-proof.ts';
import { readLastFailures } from './last-failures.ts';
import { problemsOf } from './problems.ts';
import { siteStatus, type DirectoryStatus, type SiteStatus } from './site-status.ts';

export const ownSite = (site: string, { required, bestEffort }: SiteLabels): OwnSite => ({
  site,
  labels: required,
  all: [...required, ...bestEffort],
  bestEffort,
});

/**
 * The state on the disk and, if a daemon runs, what it reports. Acquires no lock, creates no folder, writes nothing.
 * @param statePath the site's state folder; it need not exist
 * @param only these directories; undefined: all
 * @throws UserError if the root cannot be read
 */
export const readStatus = async (
  config: Config,
  statePath: string,
  labels: SiteLabels = { required: [], bestEffort: [] },
  only?: ReadonlySet<Name>,
): Promise<SiteStatus> => {
  const { root, tag, newest, exclude } = config.source;
  const isExcluded = createIsExcluded(exclude);
  const { directories, unreadable } = readRoot(root, tag, isExcluded);
  const activity = await askActivity({ name: config.site, root, state: statePath });
  const state = viewState(statePath, root);
  const isWanted = (name: Name): boolean => only?.has(name) !== false;
  const onDisk = plan(directories, newest)
    .filter(({ directory }) => isWanted(directory.name))
    .flatMap((one) => readDirectory(one, config, { state, labels }, isExcluded) ?? []);
  const bestEffort = bestEffortStatus(labels.bestEffort, onDisk, readBestEffort(statePath));
  const others = unreadable
    .filter(({ name }) => isWanted(name))
    .map(({ name, error }) => ({
      name,
      phase: 'open' as const,
      closedBy: null,
      ...notCounted(plainMessage(error)),
      late: false,
    }));
  const lastFailures = readLastFailures(statePath, root, only);
  const lostDaemon = readDaemonLife(statePath);
  const unmatched = onDisk.length + others.length === 0 ? unmatchedTag(config.source) : undefined;
  const status = siteStatus({ site: config.site, root }, [...others, ...onDisk], activity, {
    ...(lastFailures === undefined ? {} : { lastFailures }),
    ...(lostDaemon === undefined ? {} : { lostDaemon }),
    bestEffort,
    notes: unmatched === undefined ? [] : [unmatched],
  });
  return { ...status, problems: [...problemsOf(status), ...otherDestinations(activity, labels.required)] };
};

/** A daemon that was started with another list of destinations goes on with that. Pure. */
export const otherDestinations = (activity: Activity | undefined, labels: readonly string[]): string[] => {
  if (activity?.kind !== 'daemon' || activity.connections.length === 0) return [];
  const [its, ours] = [activity.connections.map(({ destination }) => destination), labels].map((all) =>
    all.toSorted().join('\n'),
  );
  if (its === ours || labels.length === 0) return [];
  return ['the daemon works with other destinations than the configuration has now: restart it to use them'];
};

const readDirectory = (
  { directory, phase, closedBy }: DirectoryPlan,
  config: Config,
  { state, labels }: { readonly state: StateView; readonly labels: SiteLabels },
  isExcluded: IsExcluded,
): Omit<DirectoryStatus, 'held'> | undefined => {
  const { name } = directory;
  const path = `${config.source.root}/${name}`;
  if (phase === 'finished') return finishedStatus(directory, readFinishedProof(path), ownSite(config.site, labels));
  const silentMs = phase === 'open' ? config.alerts.silentMs : null;
  const count = countQuietly(() => countOnDisk(name, config, state, isExcluded), { silentMs, labels });
  return count && { name, phase, closedBy, ...count, late: false };
};

/** undefined for a directory that vanished while it was counted. */
const countQuietly = (
  count: () => FileCount,
  options: { readonly silentMs: number | null; readonly labels: SiteLabels },
): Counted | undefined => {
  try {
    return countedStatus(count(), Date.now(), options);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return undefined;
    if (code === undefined) throw error;
    return notCounted(plainMessage(error));
  }
};

/** Counts a directory that is not finished. @throws a system error where the disk refuses, or it vanished meanwhile */
export const countOnDisk = (name: Name, config: Config, state: StateView, isExcluded: IsExcluded): FileCount => {
  const { destinations, bestEffort, source } = config;
  const all = [...destinations, ...bestEffort];
  const [record, ofAll] = readRecordFor(state.recordPath(name), [destinations, all].map(destinationKeys)) ?? [];
  // By the record alone: a mark without one is a claim, and the next pass asks the destination.
  const countsAsSent: CountsAsSent = (stats, path) => {
    const knowledge = record?.lookUp(path, stats) ?? 'unknown';
    return knowledge === 'confirmed' || (knowledge === 'unknown' && source.trustMarks);
  };
  const areThere = all.map(
    (_, index): IsThere =>
      (stats, path) =>
        isAt(ofAll, path, stats, index),
  );
  const ends = all.length === 1 ? [] : areThere;
  return countDirectory(`${source.root}/${name}`, isExcluded, countsAsSent, {
    required: ends.slice(0, destinations.length),
    bestEffort: ends.slice(destinations.length),
  });
};

/** While the others lack it, its file bears no mark yet. */
const isAt = (record: ReadRecord | undefined, path: Name, stats: BigIntStats, index: number): boolean =>
  record?.has(path, isMarked(stats) ? stats : asUnmarked(stats), index) === true;
