import { counted, formatBytes, formatDuration } from '../core/units.ts';
import { ownCommand } from '../host/own-command.ts';
import { fillCommand } from '../marks/finished-elsewhere.ts';
import { showName } from '../name.ts';
import type { DirectoryStatus, SiteStatus } from './site-status.ts';

/** A directory as a row of `status`: name, phase, files, bytes, what is sent, and what else there is to know. Pure. */
export const directoryRow = (directory: DirectoryStatus, status: SiteStatus): string[] => {
  const { phase, closedBy, files, bytes, sent } = directory;
  return [
    showName(directory.name),
    closedBy === 'superseded' ? `${phase} (superseded)` : phase,
    files === null ? '? files' : counted(files, 'file', 'files'),
    bytes === null ? '?' : formatBytes(bytes),
    phase === 'finished' ? '' : `${sent ?? '?'} sent`,
    notes(directory, status).join(', '),
  ];
};

/** What there is to know of a directory beside its figures. */
const notes = (directory: DirectoryStatus, status: SiteStatus): string[] => {
  const {
    name,
    files,
    sent,
    held,
    skipped,
    excluded,
    oldestUnsentSeconds,
    late,
    lacks,
    isFillable,
    reserved,
    unreadable,
  } = directory;
  const unsent = files === null || sent === null ? 0 : files - sent;
  // Beside a daemon these commands do nothing.
  const when = status.daemon.running ? ', with the daemon stopped' : '';
  return [
    unreadable === undefined
      ? ''
      : `NOT READABLE: ${unreadable}; let the user that runs isocket read and write it, and all folders in it`,
    unsent === 0 ? '' : `${unsent} unsent${describeMissing(directory)}`,
    ...(unsent === 0 ? whatIsLeft(directory, status) : []),
    oldestUnsentSeconds === null ? '' : `oldest ${formatDuration(oldestUnsentSeconds * 1000)}`,
    held === 0 ? '' : `${held} HELD`,
    reserved === undefined ? '' : `RESERVED NAME, rename it: ${reserved.map(showName).join(', ')}`,
    skipped === 0 ? '' : `${skipped} skipped`,
    excluded === 0 ? '' : `${excluded} excluded`,
    lacks === undefined
      ? ''
      : `FINISHED WITHOUT ${lacks.map(showName).join(', ')}; to send it there${when}: ${fillCommand([{ name, lacks, isFillable: isFillable === true }])}`,
    late
      ? `LATE: changed after it was finished, and not sent since; to send it${when}: ${ownCommand('reset', name)}`
      : '',
  ].filter((part) => part !== '');
};

/** Which of several destinations it waits for. */
const describeMissing = ({ missing = [] }: DirectoryStatus): string => {
  const parts = missing.map((one) => `${one.files} at ${describeEnd(one)}`);
  return parts.length === 0 ? '' : ` (missing: ${parts.join(', ')})`;
};

const describeEnd = ({ destination, isBestEffort = false }: Missing): string =>
  `${showName(destination)}${isBestEffort ? ' (best effort)' : ''}`;

type Missing = NonNullable<DirectoryStatus['missing']>[number];

/** Where every file of a directory counts as sent. */
const whatIsLeft = (
  { phase, missing = [], reserved, unreadable }: DirectoryStatus,
  { daemon }: SiteStatus,
): string[] => {
  const down = (daemon.activity?.connections ?? []).filter(({ state }) => state === 'down');
  const isWaiting = phase === 'closed' && reserved === undefined && unreadable === undefined && down.length > 0;
  return [
    ...(isWaiting
      ? [`not finished: ${down.map(({ destination }) => `${showName(destination)} is down`).join(', ')}`]
      : []),
    ...missing.map((one) => `${one.files} not yet at ${describeEnd(one)}`),
  ];
};
