import { counted, formatBytes, formatDuration } from '../core/units.ts';
import { showName } from '../name.ts';
import { backlogIn, type SiteStatus } from './site-status.ts';

/** Of a plug-in for Nagios, Icinga and what else calls such: the number is its exit code. */
export type CheckState = 'OK' | 'WARNING' | 'CRITICAL' | 'UNKNOWN';
export const CHECK_CODES: Readonly<Record<CheckState, number>> = { OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3 };

/** Of the oldest unsent file. */
export interface CheckLimits {
  readonly warnSeconds: number;
  readonly critSeconds: number;
}

export interface CheckVerdict {
  readonly state: CheckState;
  readonly message: string;
  /** "oldest=12s;3600;86400;0" … */
  readonly perfdata: string;
}

const SHOWN = 3;

/** What a monitor is told of a site. Pure. */
export const checkVerdict = (status: SiteStatus, { warnSeconds, critSeconds }: CheckLimits): CheckVerdict => {
  const { directories, totals, problems, site } = status;
  const oldest = Math.max(0, ...directories.map(({ oldestUnsentSeconds }) => oldestUnsentSeconds ?? 0));
  const { bytes: unsentBytes } = backlogIn(directories);
  const isOld = (limit: number): boolean => totals.unsent > 0 && oldest >= limit;
  const state = isOld(critSeconds) ? 'CRITICAL' : isOld(warnSeconds) || problems.length > 0 ? 'WARNING' : 'OK';
  const left = `${counted(totals.unsent, 'unsent file')} (${formatBytes(unsentBytes)}), the oldest for ${formatDuration(oldest * 1000)}`;
  const figures = totals.unsent === 0 ? `${counted(totals.files, 'file')}, all sent` : left;
  const more = problems.length - SHOWN;
  const reasons = [...problems.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
  return {
    state,
    message: [`${showName(site)}: ${figures}`, ...reasons].join('; '),
    perfdata: [
      `oldest=${oldest}s;${warnSeconds};${critSeconds};0`,
      `unsent=${totals.unsent};;;0`,
      `unsent_bytes=${unsentBytes}B;;;0`,
      `held=${totals.held};;;0`,
      `files=${totals.files};;;0`,
    ].join(' '),
  };
};

/** One line: what stands behind "|" is for programs. */
export const checkLine = ({ state, message, perfdata }: CheckVerdict): string => {
  const text = `ISOCKET ${state} - ${message.replaceAll('|', '¦').replaceAll(/\s*\n\s*/g, ' ')}`;
  return perfdata === '' ? text : `${text} | ${perfdata}`;
};
