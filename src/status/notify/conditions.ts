import type { AlertsConfig } from '../../config/config.ts';
import type { BornMarked, Overview, Unfinishable } from '../../core/overview.ts';
import { counted, formatDuration } from '../../core/units.ts';
import { ownCommand } from '../../host/own-command.ts';
import { showName, type Name } from '../../name.ts';

/** What somebody is told of. */
export const ALERT_KINDS = ['root', 'refused', 'down', 'held', 'unsent', 'success', 'silent', 'late', 'umask'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** Something that is not as it should be. One of the same kind and subject is the same one. */
export interface Condition {
  readonly kind: AlertKind;
  /** A destination, a directory, or the site. */
  readonly subject: string;
  readonly message: string;
  /** Since when it holds; undefined: nobody knows, but that it does now. */
  readonly sinceMs?: number;
}

/** What is known of a site at one moment. */
export interface SiteFacts {
  /** Why the root cannot be listed; undefined: it can. */
  readonly root?: string | undefined;
  /** Destinations that could not be reached, or refused, when they were tried last. */
  readonly down: readonly DownDestination[];
  /** Directories with files that failed, and are held or left to the next scan. */
  readonly held: readonly HeldFiles[];
  /** Closed directories that are never finished unless a person acts; undefined: nobody knows. */
  readonly unfinishable?: Overview['unfinishable'];
  /** The unsent file that was changed longest ago, if it is known. */
  readonly oldestUnsent?: { readonly path: Name; readonly sinceMs: number } | undefined;
  /** Finished directories that were changed since. */
  readonly late: readonly Name[];
  /** Directories with files that had the mark from their birth; undefined: nobody knows. */
  readonly bornMarked?: Overview['bornMarked'];
  /** The directory that the parser is at, if there is one. */
  readonly open?: Overview['open'];
  /** Nothing was left that could be sent. */
  readonly isWhole: boolean;
}

export interface DownDestination {
  readonly destination: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
  readonly refused: boolean;
  /** When it was found so in this run, in milliseconds since 1970. */
  readonly sinceMs?: number;
}

export interface HeldFiles {
  readonly directory: Name;
  readonly count: number;
  readonly first: Name;
  readonly reason: string;
  /** What to do about the first. */
  readonly hint?: string | undefined;
}

/** What earlier looks found. */
export interface Since {
  /** When each destination that is down was found so. */
  readonly downMs: ReadonlyMap<string, number>;
  /** When nothing was left that could be sent, or the first look at all. */
  readonly wholeMs: number;
}

const SITE = 'site';

/** What is wrong, as the limits have it. Pure. */
export const conditionsOf = (facts: SiteFacts, since: Since, limits: AlertsConfig, nowMs: number): Condition[] => [
  ...(facts.root === undefined ? [] : [{ kind: 'root' as const, subject: SITE, message: facts.root }]),
  ...facts.down.flatMap((one) => downCondition(one, since, limits, nowMs)),
  ...(limits.held ? heldConditions(facts) : []),
  ...unsentCondition(facts, limits, nowMs),
  ...successCondition(since, limits, nowMs),
  ...silentCondition(facts, limits, nowMs),
  ...(limits.late ? facts.late.map(lateCondition) : []),
  ...(limits.umask ? umaskCondition(facts.bornMarked ?? []) : []),
];

const downCondition = (
  { destination, message, hint, refused }: DownDestination,
  since: Since,
  { downMs }: AlertsConfig,
  nowMs: number,
): Condition[] => {
  if (downMs === null) return [];
  const sinceMs = since.downMs.get(destination) ?? nowMs;
  // A person must act: to wait mends nothing.
  if (refused)
    return [
      {
        kind: 'refused',
        subject: destination,
        message: `${showName(destination)} is down: ${message}${cure(hint)}`,
        sinceMs,
      },
    ];
  const ageMs = nowMs - sinceMs;
  if (ageMs < downMs) return [];
  const text = `${showName(destination)} has been down for ${formatDuration(ageMs)}: ${message}${cure(hint)}`;
  return [{ kind: 'down', subject: destination, message: text, sinceMs }];
};

const cure = (hint: string | undefined): string => (hint === undefined ? '' : `; ${hint}`);

/** One for a directory, whatever is wrong with it. */
const heldConditions = ({ held, unfinishable = [] }: SiteFacts): Condition[] => {
  const told = new Set(held.map(({ directory }) => directory));
  return [
    ...held.map(heldCondition),
    ...unfinishable.filter(({ directory }) => !told.has(directory)).map(unfinishableCondition),
  ];
};

const unfinishableCondition = ({ directory, cure }: Unfinishable): Condition => ({
  kind: 'held',
  subject: directory,
  message: unfinishableMessage(directory, cure),
});

/** What is said of a directory that cannot be finished. Pure. */
export const unfinishableMessage = (directory: Name, cure: string): string =>
  `${showName(directory)} cannot be finished: ${cure}`;

const heldCondition = ({ directory, count, first, reason, hint }: HeldFiles): Condition => ({
  kind: 'held',
  subject: directory,
  // Of what failed before any file of it was tried, the directory itself is the name.
  message:
    first === directory
      ? `${showName(directory)} is not sent: ${reason}${cure(hint)}`
      : `${showName(directory)}: ${counted(count, 'file')} could not be sent, first "${showName(first)}": ${reason}${cure(hint)}`,
});

const unsentCondition = ({ oldestUnsent }: SiteFacts, { unsentMs }: AlertsConfig, nowMs: number): Condition[] => {
  if (unsentMs === null || oldestUnsent === undefined) return [];
  const ageMs = nowMs - oldestUnsent.sinceMs;
  if (ageMs < unsentMs) return [];
  const message = `"${showName(oldestUnsent.path)}" has been unsent for ${formatDuration(ageMs)}, longer than alerts.unsent: ${ownCommand('status')} says why`;
  return [{ kind: 'unsent', subject: SITE, message, sinceMs: oldestUnsent.sinceMs }];
};

const successCondition = ({ wholeMs }: Since, { successMs }: AlertsConfig, nowMs: number): Condition[] => {
  if (successMs === null || nowMs - wholeMs < successMs) return [];
  const message = `something has been left unsent at every look since ${new Date(wholeMs).toISOString()}: ${ownCommand('status')} says what`;
  return [{ kind: 'success', subject: SITE, message, sinceMs: wholeMs }];
};

const lateCondition = (directory: Name): Condition => ({
  kind: 'late',
  subject: directory,
  message: `${showName(directory)} was changed after it was finished: what came since is not sent; to send it, with the daemon stopped: ${ownCommand('reset', directory)}`,
});

const silentCondition = ({ open }: SiteFacts, { silentMs }: AlertsConfig, nowMs: number): Condition[] => {
  if (silentMs === null || open === undefined || nowMs - open.changedMs < silentMs) return [];
  const { directory, changedMs: sinceMs } = open;
  return [{ kind: 'silent', subject: directory, message: silentMessage(directory, nowMs - sinceMs), sinceMs }];
};

/** What is said of a directory that is open, and in which nothing happens. Pure. */
export const silentMessage = (directory: Name, ms: number): string =>
  `${showName(directory)} is open, and nothing in it has changed for ${formatDuration(ms)}: is the parser running, or did it end without finished.parse?`;

/** One for the site: it is the parser's, whatever directory it is at. */
const umaskCondition = (born: readonly BornMarked[]): Condition[] => {
  const last = born.at(-1);
  return last === undefined ? [] : [{ kind: 'umask', subject: SITE, message: umaskMessage(last) }];
};

/** What is said of files that are born with the mark. Pure. */
export const umaskMessage = ({ directory, count }: BornMarked): string =>
  `${showName(directory)}: ${counted(count, 'file was', 'files were')} created with g+w, the mark of sent files: until isocket sends them they pass for sent; set umask 022 for the parser, and remove default ACLs (setfacl -k)`;
