import { formatBytes } from '../../core/units.ts';
import { TransportError } from '../../errors.ts';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, Status } from '../../sftp/protocol.ts';

/** The action that failed, for the message: `Cannot write "DC1/a.dat" to sftp://…`. */
export interface FailedAction {
  readonly action: string;
  readonly destination: string;
  /** The folder whose free space is queried. */
  readonly folder: string;
}

/** Maps any failure of a request to the error class that decides about retries. */
export const toTransportError = async (
  error: unknown,
  channel: SftpClient,
  failed: FailedAction,
  isFull: IsFull = createIsFull(),
): Promise<TransportError> => {
  if (error instanceof TransportError) return error;
  const message = `Cannot ${failed.action} to ${failed.destination}: `;
  if (!(error instanceof SftpStatusError)) {
    const why = error instanceof Error ? error.message : String(error);
    return new TransportError('network', message + why, { cause: error });
  }
  if (error.status === Status.FAILURE && (await isFull(channel, failed.folder))) return destinationFull(failed, error);
  return new TransportError('file', message + error.message, {
    hint:
      error.status === Status.PERMISSION_DENIED
        ? 'give the account the right to write there, or correct destination.path'
        : 'move away what is there under that name, if it is a folder; otherwise see the server’s log for the reason',
    cause: error,
  });
};

/** Must be called before the temporary file is removed: the removal frees the space whose lack is to be detected. */
export const orDestinationFull = async (
  error: unknown,
  channel: SftpClient,
  failed: FailedAction,
  isFull: IsFull,
): Promise<unknown> =>
  error instanceof SftpStatusError && error.status === Status.FAILURE && (await isFull(channel, failed.folder))
    ? destinationFull(failed, error)
    : error;

/**
 * To be called when the temporary file of a big file is removed: with room for others the file alone is at fault, which does not fit, and
 * all smaller ones may go on.
 */
export const orDoesNotFit = async (
  full: TransportError,
  channel: SftpClient,
  { action, destination, folder }: FailedAction,
  size: number,
): Promise<TransportError> => {
  const free = await freeBytes(channel, folder).catch(() => 0);
  if (free < NO_SPACE_BYTES) return full;
  return new TransportError(
    'file',
    `Cannot ${action} to ${destination}: no space left on device for a file of ${formatBytes(size)} (${formatBytes(free)} are free)`,
    { hint: 'make room at the destination; the file is then tried again', cause: full },
  );
};

const destinationFull = ({ action, destination }: FailedAction, cause: Error): TransportError =>
  new TransportError('destination-full', `Cannot ${action} to ${destination}: no space left on device`, {
    hint: 'make room at the destination; isocket goes on by itself',
    cause,
  });

// Less than this counts as none: rounding, and blocks reserved for the superuser.
const NO_SPACE_BYTES = 64 * 1024;

/** Files that fail together free their space one after the other: if the disk was full for one of them, it was full for all. */
const SAME_MOMENT_MS = 1000;

/** Queries the free space: version 3 has one status, "Failure", for a full disk and for many other causes. */
export type IsFull = (channel: SftpClient, folder: string) => Promise<boolean>;

/** None where no further file can be made. */
const freeBytes = async (channel: SftpClient, folder: string): Promise<number> => {
  const { free, freeInodes, inodes } = await channel.space(folder);
  return inodes > 0 && freeInodes === 0 ? 0 : free;
};

export const createIsFull = (): IsFull => {
  let wasFullMs = -Infinity;
  return async (channel, folder) => {
    if (!channel.has(Extension.STATVFS)) return false;
    try {
      if ((await freeBytes(channel, folder)) < NO_SPACE_BYTES) wasFullMs = performance.now();
    } catch {
      // Unknown then: the failure is reported as it is.
    }
    return performance.now() - wasFullMs < SAME_MOMENT_MS;
  };
};
