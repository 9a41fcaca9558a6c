import { errorMessage, systemErrorCode, TransportError } from './errors.ts';
import { FINISHED_WATCH } from './mark.ts';
import { showName, type Name } from './name.ts';

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE']);

/** Was the directory, or something on the way to it, removed or put out of its place? */
export const isGone = (error: unknown): boolean => GONE.has(systemErrorCode(error) ?? '');

export const cannotFinish = (directory: Name, cause: unknown): TransportError =>
  new TransportError('file', `Cannot write "${showName(directory)}/${FINISHED_WATCH}": ${errorMessage(cause)}`, {
    hint: 'its files are sent and marked; make room there, and let the user that runs isocket write there: it is tried again',
    cause,
  });

export const cannotWork = (directory: Name, cause: unknown): TransportError =>
  new TransportError('file', `Cannot work on "${showName(directory)}": ${errorMessage(cause)}`, {
    hint: 'let the user that runs isocket read and write it: it is tried again',
    cause,
  });
