import { plainMessage, systemErrorCode } from '../errors.ts';

let reason: string | undefined;

/** stdout could not be written. A reader that has closed its end wants no more: that is none of our failures. */
export const noteUnprinted = (error: unknown): void => {
  if (systemErrorCode(error) !== 'EPIPE') reason ??= plainMessage(error);
};

/** Why a result could not be printed; undefined: all was. */
export const unprintedReason = (): string | undefined => reason;

/** Aborted when stdout cannot be written any more: as a rule its reader is gone. */
export const whenUnread = (): AbortSignal => {
  const unread = new AbortController();
  process.stdout.once('error', () => unread.abort());
  return unread.signal;
};
