import { ownCommand } from '../host/own-command.ts';
import { showName } from '../name.ts';
import { counted, formatBytes, formatDuration, formatShare } from '../core/units.ts';
import type { Activity } from '../instance/activity.ts';
import { directoryRow } from './directory-text.ts';
import type { BestEffortStatus, DirectoryStatus, SiteStatus } from './site-status.ts';

export interface StatusTextOptions {
  /** Lists every finished directory and every held file. */
  readonly verbose: boolean;
  /** The directories were named: each of them is shown. */
  readonly areNamed?: boolean;
  /** What is wrong comes first: a terminal may have no room for all. Else it comes last, where the eye is when all was printed. */
  readonly problemsFirst: boolean;
}

const MAX_HELD_SHOWN = 10;

/** The status as text, one line a directory. Pure. */
export const statusText = (
  status: SiteStatus,
  { verbose, areNamed = false, problemsFirst }: StatusTextOptions,
): string => {
  const { site, root, directories, totals } = status;
  const finished = directories.filter(({ phase }) => phase === 'finished');
  const showsAll = verbose || areNamed;
  const shown = showsAll
    ? directories
    : directories.filter(({ phase, late, lacks }) => phase !== 'finished' || late || lacks !== undefined);
  const problems = status.problems.map((problem) => `PROBLEM: ${problem}`);
  return [
    `${showName(site)}: ${showName(root)}, ${describeProcess(status)}`,
    ...(problemsFirst ? problems : []),
    ...(directories.length === 0 ? ['no directories'] : []),
    ...table(shown.map((one) => directoryRow(one, status))),
    ...(showsAll || finished.length === 0
      ? []
      : [`${counted(finished.length, 'finished directory', 'finished directories')}: ${amount(finished)}`]),
    `total: ${counted(totals.files, 'file', 'files')}, ${formatBytes(totals.bytes)}; ${totals.sent} sent, ${totals.unsent} unsent, ${totals.held} held`,
    ...describeActivity(status, verbose),
    ...(status.bestEffort ?? []).map((one) => describeBestEffort(one, status.daemon)),
    ...describeLastFailures(status, verbose),
    ...(status.notes ?? []).map((note) => `note: ${note}`),
    ...(problemsFirst ? [] : problems),
    '',
  ].join('\n');
};

const describeProcess = ({ daemon }: SiteStatus): string => {
  if (daemon.running) {
    const since = daemon.since === null ? '' : `, since ${showName(daemon.since)}`;
    return `daemon running (process ${daemon.pid}${since})`;
  }
  const { activity } = daemon;
  if (activity === undefined) return 'no daemon running';
  return `${activity.kind === 'scan' ? 'a scan' : 'another isocket'} is at work (process ${activity.pid})`;
};

const table = (rows: readonly (readonly string[])[]): string[] => {
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows.map((cells) => `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
};

const amount = (directories: readonly DirectoryStatus[]): string => {
  const known = directories.filter(({ files }) => files !== null);
  const files = known.reduce((total, one) => total + (one.files ?? 0), 0);
  const bytes = known.reduce((total, one) => total + (one.bytes ?? 0), 0);
  const unknown = directories.length - known.length;
  const skipped = directories.reduce((total, one) => total + one.skipped, 0);
  const more = skipped === 0 ? '' : `, ${skipped} skipped`;
  return `${counted(files, 'file', 'files')}, ${formatBytes(bytes)}${more}${unknown === 0 ? '' : `; ${unknown} of them do not say how many`}`;
};

const describeRate = ({ activity, backlog, secondsLeft }: SiteStatus['daemon']): string[] => {
  const { throughput } = activity ?? {};
  if (throughput === undefined || throughput.filesPerSecond + throughput.bytesPerSecond === 0) return [];
  const { filesPerSecond, bytesPerSecond } = throughput;
  const rate = `rate: ${formatBytes(bytesPerSecond)}/s, ${filesPerSecond} files/s in the last minute`;
  if (backlog === undefined || backlog.files === 0 || typeof secondsLeft !== 'number') return [rate];
  return [`${rate}; ${formatBytes(backlog.bytes)} unsent, ${formatDuration(secondsLeft * 1000)} left`];
};

/** "DC1/big, 3.2 of 50 GiB", or the name alone. */
const describeFirst = ({ inFlight, sending = [] }: Activity): string => {
  const partly = sending.find(({ sent }) => sent !== undefined);
  if (partly?.sent === undefined) return showName(inFlight[0] ?? '');
  return `${showName(partly.path)}, ${formatShare(partly.sent, partly.bytes)}`;
};

/** Nothing can be on its way. */
const isCutOff = (connections: Activity['connections']): boolean =>
  connections.length > 0 && connections.every(({ state }) => state === 'down');

const describeConnection = ({
  destination,
  state,
  message,
  since,
  nextSeconds,
}: Activity['connections'][number]): string => {
  const begun = since === null || since === undefined ? '' : ` since ${showName(since)}`;
  const why = message === null ? '' : `: ${showName(message)}`;
  const isTriedAgain = state === 'down' && nextSeconds !== null && nextSeconds !== undefined;
  const when = nextSeconds === 0 ? 'now' : `in ${formatDuration((nextSeconds ?? 0) * 1000)}`;
  const next = isTriedAgain ? `; tried again ${when}` : '';
  return `connection to ${showName(destination)}: ${showName(state)}${begun}${why}${next}`;
};

const describeBestEffort = (one: BestEffortStatus, daemon: SiteStatus['daemon']): string => {
  const { destination, behind, state, message, since } = one;
  const lacks = `${counted(behind, 'finished directory is', 'finished directories are')} not known to be whole there`;
  return [
    `best effort, ${showName(destination)}: ${behind === 0 ? 'it has all that is finished' : lacks}`,
    ...(state === 'down' ? [`down since ${showName(since ?? '')}: ${showName(message ?? '')}`] : []),
    ...(behind === 0 ? [] : whatBringsThem(one, daemon)),
  ].join('; ');
};

/** By itself, and by hand: `fill` is refused beside a daemon, which brings what waits. */
const whatBringsThem = (
  { destination, behind, waiting }: BestEffortStatus,
  { running, activity }: SiteStatus['daemon'],
): string[] => {
  const them = behind === 1 ? 'it' : 'them';
  const all = waiting === behind;
  const isBusy = activity !== undefined;
  const when = running ? ', with the daemon stopped' : isBusy ? ', when it has ended' : all ? ' now' : '';
  return [
    ...(waiting === 0 ? [] : [`the ${running ? 'daemon' : 'next scan'} brings ${all ? them : waiting} there`]),
    ...(all && isBusy
      ? []
      : [`to send ${waiting === 0 || all ? them : 'all'}${when}: ${ownCommand('fill', destination)}`]),
  ];
};

const describeActivity = ({ daemon }: SiteStatus, verbose: boolean): string[] => {
  const { activity } = daemon;
  if (activity === undefined) return [];
  const { inFlight, held, connections, watcher, eventsLost, foundByRescan } = activity;
  const shown = verbose ? held : held.slice(0, MAX_HELD_SHOWN);
  return [
    ...connections.map(describeConnection),
    ...describeRate(daemon),
    ...(inFlight.length === 0
      ? []
      : [`${isCutOff(connections) ? 'waiting' : 'in flight'}: ${inFlight.length}, first ${describeFirst(activity)}`]),
    ...shown.map(({ path, reason, attempts, nextSeconds }) => {
      const next = nextSeconds === null ? '' : `, again in ${formatDuration(nextSeconds * 1000)}`;
      return `held: ${showName(path)}: ${showName(reason)} (${counted(attempts, 'attempt', 'attempts')}${next})`;
    }),
    ...(held.length > shown.length ? [`held: ${held.length - shown.length} more (--verbose names them)`] : []),
    ...(watcher === null
      ? []
      : [`watcher: ${showName(watcher)}; overflows ${eventsLost}, files found by rescan alone ${foundByRescan}`]),
  ];
};

/** Those that no problem names already: of destinations each one does, of files the last. */
const describeLastFailures = ({ lastFailures, problems }: SiteStatus, verbose: boolean): string[] => {
  if (lastFailures === undefined) return [];
  const { destinations, files, more } = lastFailures;
  const shown = verbose ? files : files.slice(-MAX_HELD_SHOWN);
  const left = files.length - shown.length + more;
  const untold = [...destinations, ...shown].filter(
    ({ message }) => !problems.some((problem) => problem.includes(showName(message))),
  );
  return [
    ...untold.map(({ message, hint, at }) => {
      const fix = hint === undefined ? '' : `; ${showName(hint)}`;
      return `last failure, ${showName(at)}: ${showName(message)}${fix}`;
    }),
    ...(left === 0 ? [] : [`last failures: ${left} more`]),
  ];
};
