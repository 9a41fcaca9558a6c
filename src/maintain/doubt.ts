import type { SkippedKind } from '../core/events.ts';
import { counted } from '../core/units.ts';
import { plainMessage, TransportError, UserError } from '../errors.ts';
import { ownCommand } from '../host/own-command.ts';
import { showName, type Name } from '../name.ts';
import { cureOf } from '../source/directory-failures.ts';

/** Why a directory is not deleted, and what to do about it. */
export interface Doubt {
  readonly reason: string;
  readonly hint: string;
}

const sendAgain = (directory: Name): string =>
  `to send it again: ${ownCommand('reset', directory)} && ${ownCommand('scan', directory)}`;

export const unmarkedIn = (directory: Name, path: Name): Doubt => ({
  reason: `"${showName(path)}" in it is not marked`,
  hint: sendAgain(directory),
});

export const changedIn = (directory: Name, path: Name): Doubt => ({
  reason: `"${showName(path)}" in it changed since it was sent`,
  hint: sendAgain(directory),
});

export const reservedIn = (directory: Name, path: Name): Doubt => ({
  reason: `"${showName(path)}" in it was never sent (a reserved name)`,
  hint: `delete it, or rename it; ${sendAgain(directory)}`,
});

export const writtenIn = (path: Name, pid: number): Doubt => ({
  reason: `"${showName(path)}" in it is open for writing`,
  hint: `prune again when process ${pid} has closed it`,
});

/** An excluded file may have been sent by hand; no record of excluded names is compared. */
export const skippedIn = (path: Name, why: SkippedKind): Doubt =>
  why === 'excluded'
    ? {
        reason: `"${showName(path)}" in it is excluded (source.exclude) and not compared`,
        hint: 'delete it by hand, or no longer exclude it',
      }
    : {
        reason: `"${showName(path)}" in it was never sent (${why})`,
        hint: 'remove it, or delete the directory yourself',
      };

/** @param first which, where and why */
export const absentThere = (directory: Name, count: number, first: string): Doubt => ({
  reason: `${counted(count, 'file is', 'files are')} missing or different: ${first}`,
  hint: `to send them again: ${ownCommand('verify', '--repair', directory)}`,
});

export const CHANGED_MEANWHILE: Doubt = { reason: 'it changed while it was verified', hint: 'prune again' };

/** What the disk or a destination says. */
export const failing = (error: unknown, what = ''): Doubt => ({
  reason: `${what}${plainMessage(error)}`,
  hint: (error instanceof TransportError || error instanceof UserError ? error.hint : undefined) ?? cureOf(error),
});
