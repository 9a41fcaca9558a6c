import { showName, type Name } from '../../name.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { ChannelClosedError, type DirectoryEntry } from '../../sftp/replies.ts';
import { ignoreMissing } from './folders.ts';
import { isRefusal } from './server-habits.ts';
import type { Session } from './session.ts';

// READDIR requests in flight: with one at a time latency would cost a round trip for every hundred names. Requests beyond the end cost little.
const MAX_REQUESTS_AHEAD = 32;

/** The channel was closed while this folder was listed. */
export class ListingCutError extends ChannelClosedError {
  readonly folder: Name;

  constructor(folder: Name, { message }: ChannelClosedError) {
    super(message);
    this.folder = folder;
  }
}

/**
 * The entries of a folder, in batches as the server sends them; none if the folder does not exist.
 * @param isFar a round trip costs more than requests beyond the end
 * @throws ListingCutError
 */
export async function* listEntries(
  channel: SftpClient,
  folder: Name,
  isFar: boolean,
): AsyncGenerator<DirectoryEntry[]> {
  try {
    yield* listPieces(channel, folder, isFar);
  } catch (error) {
    throw error instanceof ChannelClosedError ? new ListingCutError(folder, error) : error;
  }
}

async function* listPieces(channel: SftpClient, folder: Name, isFar: boolean): AsyncGenerator<DirectoryEntry[]> {
  let handle: Buffer;
  try {
    handle = await channel.opendir(folder);
  } catch (error) {
    ignoreMissing(error);
    return;
  }
  const ahead: Promise<DirectoryEntry[] | undefined>[] = [];
  const request = (): void => {
    const reply = channel.readdir(handle);
    reply.catch(() => undefined); // Reported where it is awaited; replies beyond the end are not.
    ahead.push(reply);
  };
  try {
    let isAtEnd = false;
    for (
      let limit = isFar ? MAX_REQUESTS_AHEAD : 2;
      !isAtEnd || ahead.length > 0;
      limit = Math.min(limit * 2, MAX_REQUESTS_AHEAD)
    ) {
      while (!isAtEnd && ahead.length < limit) request();
      const entries = await ahead.shift();
      // A server that handles several requests at once may report the end before the last names.
      if (entries === undefined) isAtEnd = true;
      else yield entries;
    }
  } finally {
    // Nobody needs its reply; a channel that closes is reported by its other requests.
    channel.close(handle).catch(() => undefined);
  }
}

/** The same; what is left is empty where the server refuses to list: whoever needs more asks for each file. */
export async function* listFolder(
  { channels, habits }: Pick<Session, 'channels' | 'habits'>,
  folder: Name,
): AsyncGenerator<DirectoryEntry[]> {
  if (habits.listings.isGivenUp(folder)) {
    habits.tell(
      'warning',
      `${endsAtListing(folder)}: files in it are asked for one by one, and temporary files that are left in it or below it (.isocket-….part) stay there: remove them yourself`,
    );
    return;
  }
  try {
    yield* listEntries(channels.leastBusy(), folder, channels.isFar);
    habits.listings.listed(folder);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    habits.tell(
      'info',
      `the server refuses ${error.request} (${error.message}): files are asked for one by one, and temporary files that are left stay there`,
    );
  }
}

/** The state, for messages. */
export const endsAtListing = (folder: Name): string =>
  `the server’s program or the connection ends each time "${showName(folder)}" is listed, as some programs do of a name in it`;
