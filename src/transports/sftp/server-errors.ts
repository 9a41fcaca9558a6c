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
): Promise<TransportError> => {
  if (error instanceof TransportError) return error;
  const message = `Cannot ${failed.action} to ${failed.destination}: `;
  if (!(error instanceof SftpStatusError)) {
    const why = error instanceof Error ? error.message : String(error);
    return new TransportError('network', message + why, { cause: error });
  }
  // Version 3 has one word, "Failure", for a full disk and for much else: ask how much room there is.
  if (error.status === Status.FAILURE && (await isFull(channel, failed.folder))) {
    return new TransportError('destination-full', `${message}no space left on device`, {
      hint: 'make room at the destination; isocket goes on by itself',
      cause: error,
    });
  }
  if (error.status === Status.PERMISSION_DENIED) {
    return new TransportError('file', `${message}permission denied`, {
      hint: 'give the account the right to write there, or correct destination.path',
      cause: error,
    });
  }
  return new TransportError('file', message + error.message, {
    hint: 'look into the server’s log for the reason',
    cause: error,
  });
};

// Less than a block for the superuser's reserve and rounding counts as nothing.
const NOTHING_LEFT_BYTES = 64 * 1024;

const isFull = async (channel: SftpClient, folder: string): Promise<boolean> => {
  if (!channel.has(Extension.STATVFS)) return false;
  try {
    const { free, freeInodes, inodes } = await channel.space(folder);
    return free < NOTHING_LEFT_BYTES || (inodes > 0 && freeInodes === 0);
  } catch {
    return false;
  }
};
