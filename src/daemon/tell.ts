import { unfinishableIn, type Overview } from '../core/overview.ts';
import type { SurveyedDirectory } from '../core/survey.ts';
import type { RetryingTransport } from '../delivery/retrying-transport.ts';
import { underWayAt } from '../delivery/under-way.ts';
import type { Name } from '../name.ts';
import type { Activity } from '../instance/activity.ts';
import type { DirectoryJob } from './directory-job.ts';
import type { Jobs } from './jobs.ts';

/** What the daemon itself knows of what it does. */
export type DaemonActivity = Omit<Activity, 'pid' | 'kind' | 'since' | 'watcher' | 'throughput'>;

/** Names with their sizes and reasons: whoever looks at them looks at a few. */
const MOST_SIZES = 100;

export const activityOf = (
  jobs: Jobs,
  destinations: readonly RetryingTransport[],
): Omit<DaemonActivity, 'eventsLost'> => {
  const all = [...jobs];
  return {
    inFlight: all.flatMap(({ plan, work }) => [...work.queue.inFlight].map((path) => `${plan.directory.name}/${path}`)),
    sending: firstSizes(all, underWayAt(destinations)),
    held: all.flatMap(heldIn),
    connections: destinations.map(connectionOf),
    foundByRescan: jobs.foundByListing,
  };
};

/** A server may end a connection on which nothing goes on for long: that one was lost says nothing of the next one. */
const connectionOf = ({ health, isLost }: RetryingTransport): Activity['connections'][number] => {
  const { destination, failure, downSinceMs, retryInMs } = health;
  const hasEnded = failure === undefined && isLost?.() === true;
  return {
    destination,
    state: failure !== undefined ? 'down' : hasEnded ? 'lost' : 'up',
    message: failure?.message ?? (hasEnded ? LOST : null),
    hint: failure?.hint ?? null,
    since: downSinceMs === undefined ? null : new Date(downSinceMs).toISOString(),
    nextSeconds: retryInMs === undefined ? null : Math.round(retryInMs / 1000),
  };
};

const LOST = 'the connection was ended at the other side; another one is made when there is something to send';

const firstSizes = (
  jobs: readonly DirectoryJob[],
  underWay: ReadonlyMap<Name, number>,
): NonNullable<Activity['sending']> => {
  const [partly, others]: [{ path: Name; bytes: number; sent: number }[], { path: Name; bytes: number }[]] = [[], []];
  for (const { plan, work } of jobs)
    for (const [name, { bytes }] of work.queue.sizes) {
      const path = `${plan.directory.name}/${name}`;
      const sent = underWay.get(path);
      if (sent !== undefined) partly.push({ path, bytes, sent });
      else if (others.length < MOST_SIZES) others.push({ path, bytes });
    }
  return [...partly, ...others].slice(0, MOST_SIZES);
};

const heldIn = ({ plan, work }: DirectoryJob): Activity['held'] =>
  [...work.queue.failures.all].map(({ path, error, attempts, nextMs }) => ({
    path: `${plan.directory.name}/${path}`,
    reason: error.message,
    hint: error.hint ?? null,
    attempts,
    nextSeconds: Math.max(0, Math.round((nextMs - performance.now()) / 1000)),
  }));

export const surveyOf = (jobs: Iterable<DirectoryJob>): SurveyedDirectory[] =>
  [...jobs].map(({ plan, work: { count, queue } }) => ({
    plan,
    count: count.current,
    ageMs: count.ageMs,
    queued: queue.size,
    isSent: (stats, path) => count.isSent(stats, path),
  }));

/** What the counts of directories show beside what is sent. */
export const countedIn = (jobs: Jobs, sent: number): Pick<Overview, 'bornMarked' | 'open' | 'unfinishable'> => {
  const counts = [...jobs].flatMap(({ plan: { directory, phase }, work }) => {
    const count = work.count.current;
    return count === undefined ? [] : { directory: directory.name, phase, ...count };
  });
  const open = counts.find(({ phase }) => phase === 'open');
  const born = counts.filter(({ bornMarked }) => bornMarked > 0);
  const bornMarked = [
    ...jobs.lastBornMarked,
    ...born.map(({ directory, bornMarked: count }) => ({ directory, count })),
  ];
  return {
    bornMarked: bornMarked.length === 0 && sent === 0 ? undefined : bornMarked,
    open: open && { directory: open.directory, changedMs: open.changedMs },
    unfinishable: unfinishableIn(counts),
  };
};
