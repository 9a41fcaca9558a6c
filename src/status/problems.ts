import { showName } from '../name.ts';
import { renameCure } from '../core/overview.ts';
import { formatDuration } from '../core/units.ts';
import { silentMessage, unfinishableMessage } from './notify/conditions.ts';
import type { Activity } from '../instance/activity.ts';
import type { DaemonLife } from './daemon-life.ts';
import type { DirectoryStatus, SiteStatus } from './site-status.ts';

/** So long may a file of a closed directory wait before somebody should look. */
const LONG_SECONDS = 15 * 60;

/** What keeps a site from being well, for who watches it: contract.md §5, exit code 3. Pure. */
export const problemsOf = ({
  directories,
  daemon: { activity },
  lastFailures,
  lostDaemon,
}: Pick<SiteStatus, 'directories' | 'daemon' | 'lastFailures' | 'lostDaemon'>): string[] => [
  ...(lostDaemon === undefined ? [] : [lostMessage(lostDaemon)]),
  ...(activity?.connections ?? [])
    .filter(({ state }) => state === 'down')
    .map(
      ({ destination, message, hint }) =>
        `${showName(destination)} is down${message === null ? '' : `: ${withCure({ message, hint })}`}`,
    ),
  ...directories.flatMap((one) => directoryProblems(one, activity)),
  // A process that works on the root says itself what fails.
  ...(activity === undefined && lastFailures !== undefined
    ? [
        ...lastFailures.destinations.map(withTime),
        ...counted(
          lastFailures.files.length + lastFailures.more,
          `failed in the last run${lastFailures.files
            .slice(-1)
            .map((one) => `: ${withTime(one)}`)
            .join('')}`,
        ),
      ]
    : []),
];

interface Cause {
  readonly message: string;
  readonly hint?: string | null | undefined;
}

/** Whoever watches it need not look for the next step. */
const withCure = ({ message, hint }: Cause): string =>
  hint === null || hint === undefined ? showName(message) : `${showName(message)}; ${showName(hint)}`;

const withTime = (cause: Cause & { readonly at: string }): string => `${withCure(cause)} (${showName(cause.at)})`;

const becauseOf = (cause: Cause | undefined): string => (cause === undefined ? '' : `: ${withCure(cause)}`);

const directoryProblems = (
  directory: DirectoryStatus,
  { inFlight = [], held: failing = [] }: Partial<Pick<Activity, 'inFlight' | 'held'>> = {},
): string[] => {
  const { name, phase, files, sent, held, oldestUnsentSeconds, unreadable, reserved = [], silentSeconds } = directory;
  const unsent = (files ?? 0) - (sent ?? 0);
  const first = failing.find(({ path }) => path.startsWith(`${name}/`));
  const isMoving = inFlight.some((path) => path.startsWith(`${name}/`));
  const isStuck = phase === 'closed' && unsent > 0 && !isMoving && (oldestUnsentSeconds ?? 0) >= LONG_SECONDS;
  return [
    ...(unreadable === undefined ? [] : [`${showName(name)} cannot be read: ${unreadable}`]),
    ...(phase === 'closed' && reserved.length > 0 ? [unfinishableMessage(name, renameCure(reserved))] : []),
    ...(silentSeconds === undefined ? [] : [silentMessage(name, silentSeconds * 1000)]),
    ...counted(held, `held in ${showName(name)}${becauseOf(first && { message: first.reason, hint: first.hint })}`),
    ...(isStuck
      ? counted(
          unsent,
          `unsent in ${showName(name)}, which is closed, for ${formatDuration((oldestUnsentSeconds ?? 0) * 1000)}`,
        )
      : []),
  ];
};

const lostMessage = ({ pid, since, reason }: DaemonLife): string => {
  const how =
    reason === null
      ? 'ended without being stopped: it was killed, or its host went down'
      : `ended: ${showName(reason)}`;
  return `the daemon (process ${pid}, since ${showName(since)}) ${how}; start it again, or let a scan do its work`;
};

const counted = (count: number, what: string): string[] =>
  count === 0 ? [] : [`${count} ${count === 1 ? 'file' : 'files'} ${what}`];
