import { TransportError } from '../../errors.ts';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, Status } from '../../sftp/protocol.ts';

/** What failed, for the message: `Cannot write "DC1/a.dat" to sftp://…`. */
export interface FailedAction {
  readonly action: string;
  readonly destination: string;
  /** Where to ask for free space. */
  readonly folder: string;
}

/** Any failure of a request → the error class that says whose trouble it is. */
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
        : 'look into the server’s log for the reason',
    cause: error,
  });
};

/** The one failure that is looked into while what was written still takes the room: it goes with the temporary file. */
export const orDestinationFull = async (
  error: unknown,
  channel: SftpClient,
  failed: FailedAction,
  isFull: IsFull,
): Promise<unknown> =>
  error instanceof SftpStatusError && error.status === Status.FAILURE && (await isFull(channel, failed.folder))
    ? destinationFull(failed, error)
    : error;

const destinationFull = ({ action, destination }: FailedAction, cause: Error): TransportError =>
  new TransportError('destination-full', `Cannot ${action} to ${destination}: no space left on device`, {
    hint: 'make room at the destination; isocket goes on by itself',
    cause,
  });

// Less than a block for the superuser's reserve and rounding counts as nothing.
const NOTHING_LEFT_BYTES = 64 * 1024;

/** Files that fail together give their room back one after the other: what was full a moment ago was full for all of them. */
const SAME_MOMENT_MS = 1000;

/** Version 3 has one word, "Failure", for a full disk and for much else: asks how much room there is. */
export type IsFull = (channel: SftpClient, folder: string) => Promise<boolean>;

export const createIsFull = (): IsFull => {
  let wasFullMs = -Infinity;
  return async (channel, folder) => {
    if (!channel.has(Extension.STATVFS)) return false;
    try {
      const { free, freeInodes, inodes } = await channel.space(folder);
      if (free < NOTHING_LEFT_BYTES || (inodes > 0 && freeInodes === 0)) wasFullMs = performance.now();
    } catch {
      // Then nobody knows.
    }
    return performance.now() - wasFullMs < SAME_MOMENT_MS;
  };
};
