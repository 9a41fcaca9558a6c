import type { Config } from '../../config/config.ts';
import type { Overview } from '../../core/overview.ts';
import type { FileCount } from '../../core/survey.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import { systemErrorCode } from '../../errors.ts';
import { viewState } from '../../marks/state.ts';
import type { Name } from '../../name.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import { countKinds } from '../live/troubles.ts';
import { conditionsOf, type SiteFacts } from '../notify/conditions.ts';
import type { EventFacts } from '../notify/event-facts.ts';
import { countOnDisk } from '../read-status.ts';
import type { SiteFigures } from './figures.ts';

/** What a scan leaves behind. */
export interface ScanEnd {
  readonly finished: number;
  readonly left: readonly { readonly plan: DirectoryPlan; readonly count: FileCount | undefined }[];
  readonly late: readonly Name[];
  readonly bornMarked: Overview['bornMarked'];
  readonly open: Overview['open'];
  readonly unfinishable: Overview['unfinishable'];
  /** Destinations that answered. */
  readonly reached: readonly string[];
}

export interface ScanFiguresOptions {
  readonly config: Config;
  readonly statePath: string;
  /** The destinations, as messages name them. */
  readonly labels: readonly string[];
  readonly facts: Pick<EventFacts, 'down' | 'held'>;
}

/** The figures of a scan that came to its end. */
export const scanFigures = (
  { finished, left, late, bornMarked, open, unfinishable, reached }: ScanEnd,
  options: ScanFiguresOptions,
): SiteFigures => {
  const { config, facts, labels } = options;
  const counts = countAll(left, options);
  const known = counts.filter((count) => count !== undefined);
  const sum = (of: (count: FileCount) => number): number => known.reduce((total, count) => total + of(count), 0);
  const isKnown = known.length === counts.length;
  const oldest = known.flatMap((count) => count.oldest ?? []).toSorted((a, b) => a.sinceMs - b.sinceMs)[0];
  const { held } = facts;
  const directories = { open: 0, closed: 0, finished };
  for (const { plan } of left) directories[plan.phase] += 1;
  return {
    backlog: isKnown ? { files: sum(({ unsent }) => unsent), bytes: sum(({ unsentBytes }) => unsentBytes) } : undefined,
    oldestUnsentSeconds: isKnown ? secondsSince(oldest?.sinceMs) : undefined,
    heldFiles: held.reduce((total, { count }) => total + count, 0),
    directories,
    up: upOf(labels, reached, facts.down),
    problems: kindsOf(
      { down: facts.down, held, unfinishable, oldestUnsent: oldest, late, bornMarked, open, isWhole: false },
      config,
    ),
  };
};

/**
 * The figures of a scan that could not begin: nothing is known.
 * @param root why the root cannot be read; undefined: it can
 */
export const unknownFigures = (root: string | undefined, config: Config): SiteFigures => ({
  backlog: undefined,
  oldestUnsentSeconds: undefined,
  heldFiles: undefined,
  directories: undefined,
  up: new Map(),
  problems: kindsOf({ root, down: [], held: [], late: [], isWhole: false }, config),
});

const countAll = (left: ScanEnd['left'], { config, statePath }: ScanFiguresOptions): (FileCount | undefined)[] => {
  const isExcluded = createIsExcluded(config.source.exclude);
  const state = viewState(statePath, config.source.root);
  return left.map(({ plan, count }) => {
    try {
      return count ?? countOnDisk(plan.directory.name, config, state, isExcluded);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      return undefined;
    }
  });
};

const secondsSince = (sinceMs: number | undefined): number =>
  sinceMs === undefined ? 0 : Math.max(0, Math.round((Date.now() - sinceMs) / 1000));

/** Of a destination of which nothing was wanted nothing is said. Pure. */
export const upOf = (
  labels: readonly string[],
  reached: readonly string[],
  down: EventFacts['down'],
): Map<string, number> => {
  const [answered, lost] = [new Set(reached), new Set(down.map(({ destination }) => destination))];
  const met = labels.filter((label) => answered.has(label) || lost.has(label));
  return new Map(met.map((label) => [label, lost.has(label) ? 0 : 1]));
};

const kindsOf = (facts: SiteFacts, { alerts }: Config): Readonly<Record<string, number>> => {
  const [nowMs, limits] = [Date.now(), { ...alerts, downMs: 0, successMs: null, held: true, late: true, umask: true }];
  return countKinds(conditionsOf(facts, { downMs: new Map(), wholeMs: nowMs }, limits, nowMs));
};
