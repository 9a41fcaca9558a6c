import type { LiveReading } from '../live/live-status.ts';
import type { DirectoryStatus } from '../site-status.ts';

/** What is known of a site at one moment; undefined: nothing is known of it, and no figure is better than an old one. */
export interface SiteFigures {
  readonly backlog: { readonly files: number; readonly bytes: number } | undefined;
  /** 0: nothing is unsent. */
  readonly oldestUnsentSeconds: number | undefined;
  readonly heldFiles: number | undefined;
  readonly directories: Readonly<Record<DirectoryStatus['phase'], number>> | undefined;
  /** By destination, 1 or 0: was it there when it was tried last? */
  readonly up: ReadonlyMap<string, number>;
  /** Of somebody who watches the disk. */
  readonly watching?: { readonly eventsLost: number; readonly foundByRescan: number } | undefined;
  /** What is wrong, by the kind of alert. */
  readonly problems: Readonly<Record<string, number>>;
}

const upOf = (one: { readonly destination: string; readonly state: string | null }): [string, number] => [
  one.destination,
  one.state === 'down' ? 0 : 1,
];

/** Those of a daemon. Pure. */
export const liveFigures = ({
  status: { directories, totals, daemon, bestEffort = [] },
  problems,
}: LiveReading): SiteFigures => {
  const phases = { open: 0, closed: 0, finished: 0 };
  for (const { phase } of directories) phases[phase] += 1;
  return {
    backlog: daemon.backlog,
    oldestUnsentSeconds: Math.max(0, ...directories.map(({ oldestUnsentSeconds }) => oldestUnsentSeconds ?? 0)),
    heldFiles: totals.held,
    directories: phases,
    up: new Map([
      ...(daemon.activity?.connections ?? []).map(upOf),
      ...bestEffort.filter(({ state }) => state !== null).map(upOf),
    ]),
    watching: daemon.activity,
    problems,
  };
};

/** Is nothing left unsent that could be sent? Files of an open directory may still be written. Pure. */
export const isWhole = ({ status: { directories, totals, daemon }, problems }: LiveReading): boolean =>
  ['root', 'refused', 'down', 'held'].every((kind) => problems[kind] === 0) &&
  totals.held === 0 &&
  daemon.isAlive &&
  !daemon.isCounting &&
  directories.every(({ phase, files, sent }) => phase !== 'closed' || files === sent);
