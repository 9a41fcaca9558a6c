import { counted, countedDirectories, formatBytes, formatDuration } from '../../core/units.ts';
import { shellWord, showMessage, showName } from '../../name.ts';
import type { LiveSiteStatus } from '../live/live-status.ts';
import type { DirectoryStatus } from '../site-status.ts';

export type State = 'ok' | 'busy' | 'bad';

/** Is all well, in one sentence. Pure. */
export const stateOf = ({
  problems,
  daemon,
  directories,
}: LiveSiteStatus): { readonly state: State; readonly sentence: string } => {
  const { backlog, isAlive, isCounting } = daemon;
  if (!isAlive) return { state: 'bad', sentence: 'isocket does not get round: see its log and the load of the host' };
  const late = directories.filter((one) => one.late || one.lacks !== undefined).length;
  const things = problems.length + late;
  if (things > 0) return { state: 'bad', sentence: `${counted(things, 'thing')} to be looked at` };
  if (backlog.files === 0)
    return isCounting
      ? { state: 'busy', sentence: 'Counting what is there' }
      : { state: 'ok', sentence: 'Everything that is complete is off-site' };
  const more = isCounting ? 'at least ' : '';
  const what = `${more}${counted(backlog.files, 'file')}, ${formatBytes(backlog.bytes)}`;
  return { state: 'busy', sentence: `Sending: ${what} to go` };
};

/** "1 h 5 m", "12 s"; a page does not need tenths. Pure. */
export const showSeconds = (seconds: number): string =>
  seconds < 60 ? `${Math.max(0, Math.round(seconds))} s` : formatDuration(seconds * 1000);

/** Pure. */
export const phaseOf = ({ phase, closedBy }: DirectoryStatus): string =>
  phase === 'closed' && closedBy === 'superseded' ? 'closed (a newer one is there)' : phase;

/** The command that brings a directory where it is not. */
const wayThere = ({ name, lacks = [], isFillable = false }: DirectoryStatus, command: string): string =>
  isFillable
    ? lacks.map((label) => `${command} fill ${shellWord(label)} ${shellWord(name)}`).join(' && ')
    : `${command} reset ${shellWord(name)}`;

/**
 * What a person should know of a directory, with the next step. Pure.
 * @param command isocket for this site, as a shell takes it
 */
export const remarksOn = (directory: DirectoryStatus, command: string): string => {
  const { name, held, late, lacks, reserved, unreadable, skipped } = directory;
  const remarks = [
    ...(unreadable === undefined ? [] : [`cannot be read: ${showMessage(unreadable)}`]),
    ...(held > 0 ? [`${counted(held, 'file')} held back`] : []),
    ...(late ? [`changed after it was finished: ${command} reset ${shellWord(name)}`] : []),
    ...(lacks === undefined || lacks.length === 0
      ? []
      : [`not at ${lacks.map(showName).join(', ')}: ${wayThere(directory, command)}`]),
    ...(reserved === undefined || reserved.length === 0
      ? []
      : [
          `${reserved.length === 1 ? 'a reserved name' : 'reserved names'}, to be renamed: ${reserved.map(showName).join(', ')}`,
        ]),
    ...(skipped > 0
      ? [`${counted(skipped, 'link, socket or the like is', 'links, sockets and the like are')} not sent`]
      : []),
  ];
  return remarks.join('; ');
};

/** "3/10", of a directory that could be counted. Pure. */
export const shareOf = ({ files, sent }: DirectoryStatus): { readonly text: string; readonly share?: number } => {
  if (files === null || sent === null) return { text: 'not known' };
  return { text: `${sent.toLocaleString('en')}/${files.toLocaleString('en')}`, share: files === 0 ? 1 : sent / files };
};

/** The directories that anybody has to look at, newest first; then the finished ones. Pure. */
export const inOrder = (
  directories: readonly DirectoryStatus[],
): { readonly first: readonly DirectoryStatus[]; readonly finished: readonly DirectoryStatus[] } => {
  const newestFirst = directories.toReversed();
  const isQuiet = ({ phase, late, lacks }: DirectoryStatus): boolean =>
    phase === 'finished' && !late && lacks === undefined;
  return { first: newestFirst.filter((one) => !isQuiet(one)), finished: newestFirst.filter(isQuiet) };
};

/** Pure. @param more finished directories that the server has summed up */
export const summaryOf = (finished: readonly DirectoryStatus[], more: number): string => {
  const all = finished.length + more;
  return all === 0 ? 'None is finished yet.' : `${countedDirectories(all)} finished.`;
};
