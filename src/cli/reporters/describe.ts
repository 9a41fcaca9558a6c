import type {
  BroughtBackEvent,
  ClaimsEvent,
  FilledEvent,
  HeldBackReason,
  IsocketEvent,
  StartedEvent,
  StoppedEvent,
} from '../../core/events.ts';
import { ownCommand } from '../../host/own-command.ts';
import { showName, type Name } from '../../name.ts';
import { isTemporaryOfRestore, MANIFEST } from '../../source/markers.ts';
import { splitPath } from '../../source/open-beneath.ts';
import type { Description } from './description.ts';
import { describeClient } from './describe-client.ts';
import { counted, countedDirectories, formatBytes, formatDuration } from '../../core/units.ts';

/** An event as a sentence; undefined for one that is not printed. */
export const describe = (event: IsocketEvent): Description | undefined => {
  switch (event.type) {
    case 'config':
      return { severity: 'detail', text: `configuration: ${event.path}` };
    case 'started':
      // Under cron a pass that did nothing prints nothing.
      return { severity: event.command === 'scan' ? 'detail' : 'result', text: describeStart(event) };
    case 'stopped':
      return { severity: event.isError ? 'failure' : 'result', text: describeStop(event) };
    case 'note':
      return { severity: event.level === 'warning' ? 'warning' : 'detail', text: event.message };
    case 'watching':
    case 'listening':
      return { severity: 'result', text: event.message };
    case 'planned':
      return { severity: 'result', text: `would send ${showName(event.path)} (${formatBytes(event.bytes)})` };
    case 'held-back':
      return describeHeldBack(event);
    case 'skipped':
      return { severity: 'detail', text: `skipped ${showName(event.path)}: ${event.kind}` };
    case 'claims':
      return { severity: 'warning', text: describeClaims(event) };
    case 'client':
      return describeClient(event);
    case 'sent':
      return { severity: 'detail', text: `sent ${showName(event.path)} (${formatBytes(event.bytes)})` };
    case 'failed':
      return { severity: 'failure', text: withHint(event.message, event.hint) };
    case 'connection':
      if (event.state === 'restored') return { severity: 'result', text: `${event.destination} is reached again` };
      return {
        severity: 'failure',
        text: withHint(event.message, event.hint) + (event.retrying ? ' (trying again)' : ''),
      };
    case 'refuted':
      return { severity: 'warning', text: describeRefuted(event) };
    case 'discrepancy':
      return { severity: 'failure', text: `${showName(event.path)} at ${event.destination}: ${event.detail}` };
    case 'alert':
      return event.state === 'over'
        ? { severity: 'result', text: `alert over (${event.kind}): ${event.message}` }
        : { severity: 'warning', text: `alert (${event.kind}): ${event.message}` };
    case 'reset':
      return {
        severity: 'result',
        text: `${showName(event.directory)} is reset: ${counted(event.files, 'file is', 'files are')} sent again by the next scan, or by the daemon once it runs; now: ${ownCommand('scan', event.directory)}`,
      };
    case 'pruned':
      return {
        severity: 'result',
        text: `${event.dryRun ? 'would delete' : 'deleted'} ${showName(event.directory)}: ${counted(event.files, 'file')}, ${formatBytes(event.bytes)}`,
      };
    case 'restored':
      return {
        severity: event.dryRun ? 'result' : 'detail',
        text: `${event.dryRun ? 'would restore' : 'restored'} ${showName(event.path)} (${formatBytes(event.bytes)})`,
      };
    case 'differs':
      return { severity: 'failure', text: describeDiffering(event) };
    case 'brought-back':
      return { severity: 'result', text: describeBroughtBack(event) };
    case 'filled':
      return { severity: 'result', text: describeFilled(event) };
    case 'kept':
      return { severity: 'failure', text: withHint(`kept ${showName(event.directory)}: ${event.reason}`, event.hint) };
    case 'unfinished':
      return { severity: 'detail', text: `${showName(event.directory)} is not finished: ${event.reason}` };
    case 'finished':
      return {
        severity: 'result',
        text: `${showName(event.directory)} is finished: ${counted(event.files, 'file')}, ${formatBytes(event.bytes)}`,
      };
    case 'summary':
      return isIdle(event) ? undefined : { severity: 'result', text: describeSummary(event) };
    default: // For a line of progress, or for programs.
      return undefined;
  }
};

const describeHeldBack = ({ path, reason }: Extract<IsocketEvent, { readonly type: 'held-back' }>): Description => {
  if (reason.kind !== 'reserved-name')
    return { severity: 'detail', text: `held back ${showName(path)}: ${describeReason(reason)}` };
  const message = `Cannot send "${showName(path)}": its name is reserved for isocket`;
  return { severity: 'failure', text: withHint(message, cureForReserved(path)) };
};

const describeRefuted = ({ path, detail }: Extract<IsocketEvent, { readonly type: 'refuted' }>): string =>
  `"${showName(path)}" at the destination: ${detail}. It is sent again`;

const describeDiffering = ({
  path,
  reason,
  hint = '--overwrite replaces what is here',
}: Extract<IsocketEvent, { readonly type: 'differs' }>): string =>
  `Did not restore "${showName(path)}": ${reason}; ${hint}`;

const describeStart = (event: StartedEvent): string => {
  const { command, version, pid, config, site, root, destinations, bestEffort = [] } = event;
  const ends = [...destinations.map(showName), ...bestEffort.map((one) => `${showName(one)} (best effort)`)];
  return `isocket ${version} begins as ${command === 'daemon' ? 'daemon' : 'a scan'} (process ${pid}): site ${showName(site)}, ${showName(root)} to ${ends.join(' and ')}; configuration ${showName(config)}`;
};

const describeStop = ({ reason, isError, sent, bytes, finished, seconds }: StoppedEvent): string =>
  `isocket ends ${isError ? `because of an error: ${reason}` : `on ${reason}`}, after ${formatDuration(seconds * 1000)}: sent ${counted(sent, 'file')}, ${formatBytes(bytes)}; finished ${countedDirectories(finished)}`;

const cureForReserved = (path: Name): string =>
  isTemporaryOfRestore(splitPath(path).name)
    ? 'an isocket restore was cut off: run it again, or remove it'
    : path.split('/')[1] === MANIFEST
      ? 'rename it, exclude it, or set manifest: false'
      : 'rename it';

const withHint = (message: string, hint: string | undefined): string =>
  hint === undefined ? message : `${message}; ${hint}`;

const describeReason = (reason: HeldBackReason): string => {
  switch (reason.kind) {
    case 'settling':
      return `it changed a moment ago, ${reason.secondsLeft} s to go`;
    case 'open-for-writing':
      return `process ${reason.pid} has it open for writing`;
    case 'reserved-name':
      return 'its name is reserved for isocket; rename it';
    case 'claim':
      return 'it is marked, but not by this site: the destination is asked first';
  }
};

const describeClaims = ({ directory, confirmed, absent, open }: ClaimsEvent): string => {
  const parts = [
    `${confirmed} ${confirmed === 1 ? 'is at the destination and counts' : 'are at the destination and count'} as sent`,
    ...(absent > 0 ? [`${absent} ${absent === 1 ? 'is not and is' : 'are not and are'} sent`] : []),
    ...(open > 0 ? [`${open} could not be asked for`] : []),
  ];
  return `${showName(directory)}: ${counted(confirmed + absent + open, 'marked file')} that no record proves at every destination: ${parts.join(', ')}`;
};

const describeBroughtBack = ({ directory, destination, files, bytes, equal, isFinished }: BroughtBackEvent): string => {
  const here = equal > 0 ? `, ${counted(equal, 'was', 'were')} here already` : '';
  const state = isFinished ? '; it is finished, and not sent again' : '';
  return `${showName(directory)} is back from ${destination}: ${counted(files, 'file')}, ${formatBytes(bytes)}${here}${state}`;
};

const describeFilled = ({ directory, destination, files, bytes, sent, isFinished }: FilledEvent): string => {
  const there = `${counted(files, 'file')}, ${formatBytes(bytes)}; ${sent} sent now`;
  const what = isFinished ? `${showName(directory)} is at` : `what is sent of ${showName(directory)} is at`;
  return `${what} ${showName(destination)} too: ${there}`;
};

type Summary = Extract<IsocketEvent, { type: 'summary' }>;

/** Under cron a pass that did nothing prints nothing. */
const isIdle = ({ sent, failed, held, finished, unfinished }: Summary): boolean =>
  sent + failed + held + finished + unfinished === 0;

const describeSummary = ({ sent, bytes, skipped, failed, held, finished, unfinished, seconds }: Summary): string => {
  const unsent = failed > 0 ? `, ${failed} NOT SENT` : '';
  const without = skipped > 0 ? `, ${skipped} skipped` : '';
  const givenUp = held > 0 ? `, ${held} held` : '';
  return `sent ${counted(sent, 'file')}, ${formatBytes(bytes)}, in ${formatDuration(seconds * 1000)}${unsent}${givenUp}${without}; finished ${countedDirectories(finished)}${unfinished > 0 ? `, ${unfinished} NOT FINISHED` : ''}`;
};
