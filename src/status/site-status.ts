import type { Activity } from '../instance/activity.ts';
import type { ClosedBy } from '../core/lifecycle.ts';
import type { BornMarked } from '../core/overview.ts';
import type { Name } from '../name.ts';
import type { DaemonLife } from './daemon-life.ts';
import type { LastFailures } from './last-failures.ts';
import { umaskMessage } from './notify/conditions.ts';
import { secondsLeft } from './live/throughput.ts';

/** contract.md §5: what `status --json` prints. null: unknown, as with the old tool's empty finished.watch. */
export interface DirectoryStatus {
  readonly name: Name;
  readonly phase: 'open' | 'closed' | 'finished';
  readonly closedBy: ClosedBy | null;
  readonly files: number | null;
  readonly bytes: number | null;
  readonly sent: number | null;
  readonly sentBytes: number | null;
  /** As the daemon reports; 0 without one. */
  readonly held: number;
  /** What can never be sent: links, sockets, fifos, devices. */
  readonly skipped: number;
  /** Since the last change (ctime) of the oldest unsent file. */
  readonly oldestUnsentSeconds: number | null;
  /** Names that `source.exclude` leaves out. */
  readonly excluded: number;
  /** Finished, and changed since: what came late is not sent. */
  readonly late: boolean;
  /** Finished, and not for these destinations, which were added or changed since. */
  readonly lacks?: readonly string[];
  /** Finished, and not known to be whole at these best-effort destinations. */
  readonly notAt?: readonly string[];
  /** With `lacks`: `isocket fill` brings it there, since another destination of this site has it. Else it takes a reset. */
  readonly isFillable?: boolean;
  /**
   * Not finished, with several destinations: how many of its files each does not have, by the record. Where all is sent, those of the best-effort
   * ones that lack something.
   */
  readonly missing?: readonly {
    readonly destination: string;
    readonly files: number;
    readonly isBestEffort?: boolean;
  }[];
  /** Names that isocket needs itself, and that keep the directory unfinished: the first few, if any. They count as unsent files. */
  readonly reserved?: readonly Name[];
  /** Unsent files that had the mark from their birth: whoever looks at marks alone takes them for sent. */
  readonly bornMarked?: number;
  /** Of the open directory, where nothing in it has changed for longer than `alerts.silent`: for so long. */
  readonly silentSeconds?: number;
  /** Why the directory cannot be counted, if so. */
  readonly unreadable?: string;
}

/** A destination that is not required: nothing waits for it. */
export interface BestEffortStatus {
  readonly destination: string;
  /** Finished directories that are not known to be whole there. */
  readonly behind: number;
  /** Those of them that the daemon, or the next scan, brings there. */
  readonly waiting: number;
  /** When it was tried last: was it there? null: it was not tried yet. */
  readonly state: 'up' | 'down' | null;
  /** Of one that is down. */
  readonly message?: string;
  /** ISO 8601. */
  readonly since?: string;
}

export interface Backlog {
  readonly files: number;
  readonly bytes: number;
}

export interface SiteStatus {
  readonly site: string;
  readonly root: Name;
  readonly directories: readonly DirectoryStatus[];
  readonly totals: {
    readonly files: number;
    readonly sent: number;
    readonly unsent: number;
    readonly bytes: number;
    readonly held: number;
  };
  readonly daemon: {
    readonly running: boolean;
    readonly pid: number | null;
    readonly since: string | null;
    /** What the process that works on the root reports, if there is one. */
    readonly activity?: Activity;
    /** What is unsent; of a process that says how fast it sends. */
    readonly backlog?: Backlog;
    /** Until it is sent, at the rate of the last minute; null: nobody can say. */
    readonly secondsLeft?: number | null;
  };
  /** Destinations that are not required, if any. */
  readonly bestEffort?: readonly BestEffortStatus[];
  /** What failed in the last run, if no process works on the root now. */
  readonly lastFailures?: LastFailures;
  /** A daemon that was not stopped, and does not run. */
  readonly lostDaemon?: DaemonLife;
  /** Why not all is well: then the exit code is 3. */
  readonly problems: readonly string[];
  /** No problem, but worth a look. */
  readonly notes?: readonly string[];
}

/** Combines the state on the disk with what the daemon reports. Pure. */
export const siteStatus = (
  { site, root }: Pick<SiteStatus, 'site' | 'root'>,
  onDisk: readonly Omit<DirectoryStatus, 'held'>[],
  activity: Activity | undefined,
  {
    lastFailures,
    lostDaemon,
    notes = [],
    bestEffort = [],
  }: Pick<SiteStatus, 'lastFailures' | 'lostDaemon' | 'notes' | 'bestEffort'> = {},
): Omit<SiteStatus, 'problems'> => {
  const held = Map.groupBy(activity?.held ?? [], ({ path }) => path.split('/')[0] ?? '');
  const directories = onDisk.map(
    ({ skipped, oldestUnsentSeconds, excluded, late, lacks, isFillable, reserved, unreadable, ...one }) => ({
      ...one,
      held: held.get(one.name)?.length ?? 0,
      skipped,
      oldestUnsentSeconds,
      excluded,
      late,
      ...(lacks === undefined ? {} : { lacks, isFillable }),
      ...(reserved === undefined ? {} : { reserved }),
      ...(unreadable === undefined ? {} : { unreadable }),
    }),
  );
  const sum = (count: (directory: DirectoryStatus) => number | null): number =>
    directories.reduce((total, directory) => total + (count(directory) ?? 0), 0);
  const [files, sent] = [sum((directory) => directory.files), sum((directory) => directory.sent)];
  const running = activity?.kind === 'daemon';
  const daemon = {
    running,
    pid: running ? activity.pid : null,
    since: running ? activity.since : null,
    ...(activity === undefined ? {} : { activity }),
    ...timeLeft(directories, activity),
  };
  const allNotes = [...notes, ...bornMarkedIn(directories, activity).map(umaskMessage)];
  const failures = activity !== undefined || lastFailures === undefined ? {} : { lastFailures };
  return {
    site,
    root,
    directories,
    totals: { files, sent, unsent: files - sent, bytes: sum(({ bytes }) => bytes), held: sum((one) => one.held) },
    daemon,
    ...(bestEffort.length === 0 ? {} : { bestEffort }),
    ...failures,
    ...(running || lostDaemon === undefined ? {} : { lostDaemon }),
    ...(allNotes.length === 0 ? {} : { notes: allNotes }),
  };
};

/** What is unsent. Pure. */
export const backlogIn = (directories: readonly DirectoryStatus[]): Backlog => ({
  files: directories.reduce((sum, { files, sent }) => sum + (files ?? 0) - (sent ?? 0), 0),
  bytes: directories.reduce((sum, { bytes, sentBytes }) => sum + (bytes ?? 0) - (sentBytes ?? 0), 0),
});

const timeLeft = (
  directories: readonly DirectoryStatus[],
  {
    throughput,
    sending = [],
    connections = [],
  }: Partial<Pick<Activity, 'throughput' | 'sending' | 'connections'>> = {},
): Pick<SiteStatus['daemon'], 'backlog' | 'secondsLeft'> => {
  if (throughput === undefined) return {};
  const backlog = backlogIn(directories);
  const never = directories.reduce((sum, { reserved = [] }) => sum + reserved.length, 0);
  // How fast it went says nothing while nothing can go.
  if (backlog.files > 0 && connections.some(({ state }) => state === 'down')) return { backlog, secondsLeft: null };
  const arrived = sending.reduce((sum, { sent = 0 }) => sum + sent, 0);
  // What can never go takes no time, and nobody can say when all is sent.
  if (never > 0 && backlog.files <= never) return { backlog, secondsLeft: null };
  return { backlog, secondsLeft: secondsLeft({ ...backlog, bytes: Math.max(0, backlog.bytes - arrived) }, throughput) };
};

/** What the process at work saw, which has sent and marked them by now maybe, and what the disk shows. Pure. */
const bornMarkedIn = (
  directories: readonly DirectoryStatus[],
  activity: Activity | undefined,
): readonly BornMarked[] => {
  const told = new Map(activity?.bornMarked?.map((one) => [one.directory, one]));
  const seen = directories.flatMap(({ name, bornMarked }) =>
    bornMarked === undefined || told.has(name) ? [] : { directory: name, count: bornMarked },
  );
  return [...told.values(), ...seen];
};
