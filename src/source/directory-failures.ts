import { plainMessage, systemErrorCode, TransportError } from '../errors.ts';
import type { FailedEvent } from '../core/events.ts';
import { FINISHED_WATCH } from './markers.ts';
import { showName, type Name } from '../name.ts';

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE']);

/** Was the directory, or something on the way to it, removed or put out of its place? */
export const isGone = (error: unknown): boolean => GONE.has(systemErrorCode(error) ?? '');

export const cannotFinish = (directory: Name, cause: unknown): TransportError =>
  new TransportError('file', `Cannot write "${showName(directory)}/${FINISHED_WATCH}": ${plainMessage(cause)}`, {
    hint: `its files are sent and marked; ${finishHint(systemErrorCode(cause))}: it is tried again`,
    cause,
  });

const finishHint = (code: string | undefined): string =>
  code === 'EPERM'
    ? 'if lsattr -d shows that the directory is immutable or append-only: chattr -i -a it'
    : 'make room there, and let the user that runs isocket write there';

/** What the disk says of a directory → an error that names it. What is no system error is a defect of ours, and is thrown on. */
export const cannotWork = (directory: Name, cause: unknown): TransportError => {
  if (systemErrorCode(cause) === undefined) throw cause;
  return new TransportError('file', `Cannot work on "${showName(directory)}": ${plainMessage(cause)}`, {
    hint: 'let the user that runs isocket read and write it, and all folders in it',
    cause,
  });
};

/** A directory on which no work is possible, as an event. */
export const failedDirectory = (directory: Name, { class: kind, message, hint }: TransportError): FailedEvent => ({
  type: 'failed',
  path: directory,
  class: kind,
  message,
  ...(hint === undefined ? {} : { hint }),
  attempts: 1,
  held: false,
});
