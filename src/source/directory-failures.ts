import { plainMessage, systemErrorCode, TransportError, type UserError } from '../errors.ts';
import type { FailedEvent } from '../core/events.ts';
import { FINISHED_WATCH } from './markers.ts';
import { showName, type Name } from '../name.ts';
import type { Entry } from './scanner.ts';

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE']);

/** Was the directory, or something on the way to it, removed or put out of its place? */
export const isGone = (error: unknown): boolean => GONE.has(systemErrorCode(error) ?? '');

export const cannotFinish = (directory: Name, cause: unknown): TransportError =>
  new TransportError('file', `Cannot write "${showName(directory)}/${FINISHED_WATCH}": ${plainMessage(cause)}`, {
    hint: `its files are sent and marked; ${finishHint(systemErrorCode(cause))}: the next try of the daemon, or the next run, finishes it`,
    cause,
  });

const finishHint = (code: string | undefined): string =>
  code === 'EPERM'
    ? 'if lsattr -d shows that the directory is immutable or append-only: chattr -i -a it'
    : 'make room there, and let the user that runs isocket write there';
const CURES: Readonly<Record<string, string>> = {
  ENOTCONN: 'the program that serves this mount has ended: mount it again (umount -l, then mount)',
  EIO: 'see what the kernel says (dmesg), and check the disk or the server that has it',
  ESTALE: 'its server no longer knows it: mount it again',
  EHOSTDOWN: 'see that its server runs, and mount it again',
  ETIMEDOUT: 'see that its server runs, and mount it again',
  EUCLEAN: 'its file system is damaged: see dmesg, and run fsck',
  EMFILE: 'allow more open files: ulimit -n, or LimitNOFILE= in the unit',
  ENFILE: 'allow more open files on this host: sysctl fs.file-max',
  ENOSPC: 'make room on its disk',
  EDQUOT: 'make room on its disk, or raise the quota of the user that runs isocket',
  EROFS: 'mount it writable: see dmesg for why it is not',
  ENAMETOOLONG: 'move it up, or give the folders above it shorter names',
};

/** What to do about an error of the system, in one sentence; undefined where its code alone does not say. */
export const knownCureOf = (error: unknown): string | undefined => CURES[systemErrorCode(error) ?? ''];

/** What to do about an error of the disk below the root. */
export const cureOf = (error: unknown): string =>
  knownCureOf(error) ?? 'let the user that runs isocket read and write it, and all folders in it';

/** The path below the root of what is in a directory; '' is the directory itself. */
export const pathIn = (directory: Name, path: Name): Name => (path === '' ? directory : `${directory}/${path}`);

/** What the disk says of one name in a directory ("DC1/sub") → an error that names it. */
export const cannotRead = (path: Name, cause: unknown): TransportError =>
  new TransportError('file', `Cannot read "${showName(path)}": ${plainMessage(cause)}`, { hint: cureOf(cause), cause });

/** The same for who words the rest itself: it keeps the code. */
export const unreadableIn = ({ path, error }: Extract<Entry, { kind: 'unreadable' }>): Error =>
  Object.assign(
    new Error(`${path === '' ? 'it' : `"${showName(path)}" in it`} cannot be read: ${plainMessage(error)}`),
    {
      code: systemErrorCode(error),
      cause: error,
    },
  );

/** What the disk says of a directory → an error that names it. What is no system error is a defect of ours, and is thrown on. */
export const cannotWork = (directory: Name, cause: unknown): TransportError => {
  if (systemErrorCode(cause) === undefined) throw cause;
  return new TransportError('file', `Cannot work on "${showName(directory)}": ${plainMessage(cause)}`, {
    hint: cureOf(cause),
    cause,
  });
};

/** A directory on which no work is possible, as an event. */
export const failedDirectory = (directory: Name, failure: TransportError | UserError): FailedEvent => ({
  type: 'failed',
  path: directory,
  class: failure instanceof TransportError ? failure.class : 'file',
  message: failure.message,
  ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  attempts: 1,
  held: false,
});
