import { readBestEffort } from '../../marks/best-effort.ts';
import { bestEffortStatus } from '../best-effort-status.ts';
import { ownSite } from '../read-status.ts';
import type { Config } from '../../config/config.ts';
import type { IsocketEvent } from '../../core/events.ts';
import { plan, type DirectorySnapshot } from '../../core/lifecycle.ts';
import type { Overview } from '../../core/overview.ts';
import type { FileCount, Survey, SurveyedDirectory } from '../../core/survey.ts';
import { ownCommand } from '../../host/own-command.ts';
import type { Activity } from '../../instance/activity.ts';
import type { Name } from '../../name.ts';
import type { IsExcluded } from '../../source/scanner.ts';
import { countedStatus, notCounted, type SiteLabels } from '../count-directory.ts';
import type { LastFailures } from '../last-failures.ts';
import { problemsOf } from '../problems.ts';
import { backlogIn, siteStatus, type Backlog, type DirectoryStatus, type SiteStatus } from '../site-status.ts';
import { Census } from './census.ts';
import { FinishedDirectories } from './finished-directories.ts';
import { History, type HistorySeries } from './history.ts';
import { Troubles } from './troubles.ts';

export interface LiveOptions {
  readonly config: Config;
  /** The destinations, as `finished.watch` names them. */
  readonly labels: SiteLabels;
  readonly statePath: string;
  readonly version: string;
  readonly isExcluded: IsExcluded;
  readonly survey: () => Survey;
  readonly overview: () => Overview;
  readonly activity: () => Activity;
  readonly isAlive: () => boolean;
  readonly failures: () => LastFailures;
  /** Called with a defect: all else goes on. */
  readonly failed: (error: unknown) => void;
}

/** What `isocket status --json` prints, and more of the daemon. */
export type LiveSiteStatus = Omit<SiteStatus, 'daemon'> & { readonly daemon: LiveDaemon };

type LiveDaemon = SiteStatus['daemon'] & {
  readonly version: string;
  /** isocket for this site, as a shell takes it: "isocket --config /etc/isocket/ED1/.isocketrc". */
  readonly command: string;
  /** It lists everything in time. */
  readonly isAlive: boolean;
  /** Files in flight: `activity` names the first of them. */
  readonly inFlight: number;
  readonly backlog: Backlog;
  /** Not all directories are counted yet: the backlog is what is known so far. */
  readonly isCounting: boolean;
  /** Until the backlog is sent, at the rate of the last minute; null: nobody can say. */
  readonly secondsLeft: number | null;
  /** Since when each destination that is down has been so. */
  readonly down: readonly { readonly destination: string; readonly since: string }[];
  /** What failed last, and was not well since. */
  readonly failures: LastFailures;
  readonly history: readonly HistorySeries[];
};

export interface LiveReading {
  readonly status: LiveSiteStatus;
  /** Why the site is not well, one sentence each. */
  readonly reasons: readonly string[];
  /** What is wrong, by the kind of alert. */
  readonly problems: Readonly<Record<string, number>>;
}

/** However many ask. */
const LEAST_MS = 1000;
const MOST_NAMES = 100;

/** The state of the site from what the daemon knows: the disk is not walked for an answer. */
export class LiveStatus implements Disposable {
  readonly #options: LiveOptions;
  readonly #finished: FinishedDirectories;
  readonly #census: Census;
  readonly #history: History;
  readonly #troubles: Troubles;
  #order: { readonly of: readonly DirectorySnapshot[]; readonly names: readonly Name[] } = { of: [], names: [] };
  #reading: Promise<LiveReading> | undefined;
  #readMs = -Infinity;

  constructor(options: LiveOptions) {
    const { config, labels, isExcluded, survey, failed } = options;
    const { root, rescanMs } = config.source;
    this.#options = options;
    this.#finished = new FinishedDirectories(root, ownSite(config.site, labels));
    this.#census = new Census({ root, isExcluded, oldMs: rescanMs + 10_000, failed });
    this.#history = new History(() => this.#backlogOf(survey().unfinished));
    this.#troubles = new Troubles(config.alerts);
  }

  [Symbol.dispose](): void {
    this.#census[Symbol.dispose]();
    this.#history[Symbol.dispose]();
  }

  note(event: IsocketEvent): void {
    this.#finished.note(event);
    this.#census.note(event);
    this.#history.note(event);
    this.#troubles.note(event);
  }

  moved(bytes: number): void {
    this.#history.moved(bytes);
  }

  /** As it is now, or was within the last second. */
  read(): Promise<LiveReading> {
    if (this.#reading !== undefined && performance.now() - this.#readMs < LEAST_MS) return this.#reading;
    this.#readMs = performance.now();
    this.#reading = this.#read();
    return this.#reading;
  }

  async #read(): Promise<LiveReading> {
    const { survey, overview, activity: ask, config, isAlive } = this.#options;
    const { listed, unfinished, unworkable } = survey();
    this.#census.want(unfinished);
    await this.#finished.take(listed);
    const [activity, seen, now] = [ask(), overview(), Date.now()];
    const directories = this.#directories(listed, unfinished, unworkable, now);
    const { labels, statePath } = this.#options;
    const noted = labels.bestEffort.length === 0 ? new Map<string, never>() : readBestEffort(statePath);
    const bestEffort = bestEffortStatus(labels.bestEffort, directories, noted);
    const known = siteStatus({ site: config.site, root: config.source.root }, directories, activity, { bestEffort });
    const backlog = backlogIn(known.directories);
    const status = {
      ...known,
      daemon: {
        ...known.daemon,
        activity: {
          ...activity,
          inFlight: activity.inFlight.slice(0, MOST_NAMES),
          held: activity.held.slice(0, MOST_NAMES),
        },
        version: this.#options.version,
        command: ownCommand(),
        isAlive: isAlive(),
        inFlight: activity.inFlight.length,
        backlog,
        isCounting: unfinished.some((one) => this.#census.of(one) === undefined),
        secondsLeft: known.daemon.secondsLeft ?? null,
        down: this.#troubles.down,
        failures: this.#options.failures(),
        history: this.#history.read(),
      },
      problems: [...(seen.root === undefined ? [] : [seen.root]), ...problemsOf(known)],
    };
    const facts = {
      overview: seen,
      unreadable: [...unworkable].map(([path, reason]) => ({ path, reason })),
      oldest: this.#oldest(unfinished),
      isAlive: status.daemon.isAlive,
    };
    return { status, reasons: this.#troubles.reasons(facts, now), problems: this.#troubles.kinds(facts, now) };
  }

  /** Oldest first, as the last listing of the root has them; new ones last. */
  #directories(
    listed: readonly DirectorySnapshot[],
    unfinished: readonly SurveyedDirectory[],
    unworkable: ReadonlyMap<Name, string>,
    nowMs: number,
  ): Omit<DirectoryStatus, 'held'>[] {
    if (this.#order.of !== listed) {
      const names = plan(listed, this.#options.config.source.newest).map(({ directory }) => directory.name);
      this.#order = { of: listed, names };
    }
    const open = new Map(unfinished.map((one) => [one.plan.directory.name, one]));
    const finished = this.#finished.all;
    const names = new Set([...this.#order.names, ...finished.keys(), ...open.keys(), ...unworkable.keys()]);
    return [...names].flatMap((name) => {
      const surveyed = open.get(name);
      if (surveyed !== undefined) return this.#unfinishedStatus(surveyed, nowMs);
      const reason = unworkable.get(name);
      if (reason !== undefined)
        return { name, phase: 'open' as const, closedBy: null, ...notCounted(reason), late: false };
      return finished.get(name)?.status ?? [];
    });
  }

  #unfinishedStatus(surveyed: SurveyedDirectory, nowMs: number): Omit<DirectoryStatus, 'held'> {
    const { directory, phase, closedBy } = surveyed.plan;
    const count = withQueue(this.#census.of(surveyed) ?? UNKNOWN, surveyed.queued);
    const silentMs = phase === 'open' ? this.#options.config.alerts.silentMs : null;
    return { name: directory.name, phase, closedBy, ...countedStatus(count, nowMs, { silentMs }), late: false };
  }

  #oldest(unfinished: readonly SurveyedDirectory[]): { readonly path: Name; readonly sinceMs: number } | undefined {
    const all = unfinished.flatMap((one) => {
      const oldest = this.#census.of(one)?.oldest;
      return oldest === undefined ? [] : { ...oldest, path: `${one.plan.directory.name}/${oldest.path}` };
    });
    return all.toSorted((a, b) => a.sinceMs - b.sinceMs)[0];
  }

  #backlogOf(unfinished: readonly SurveyedDirectory[]): number {
    return unfinished.reduce((sum, one) => sum + Math.max(this.#census.of(one)?.unsent ?? 0, one.queued), 0);
  }
}

const UNKNOWN: FileCount = {
  files: 0,
  bytes: 0,
  unsent: 0,
  unsentBytes: 0,
  skipped: 0,
  excluded: 0,
  bornMarked: 0,
  changedMs: Infinity,
  reserved: [],
  oldest: undefined,
  unreadable: undefined,
};

/** What is on its way is unsent, whether or not it was counted yet. */
const withQueue = (count: FileCount, queued: number): FileCount => {
  const more = Math.max(0, queued - count.unsent);
  return { ...count, files: count.files + more, unsent: count.unsent + more };
};
