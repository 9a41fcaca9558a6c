import { TransportError } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError, type DirectoryEntry } from '../../sftp/replies.ts';
import { Extension, OpenFlag, Status } from '../../sftp/protocol.ts';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** A folder that is being made. */
export interface ComingFolder {
  readonly made: Promise<void>;
  /** Its MKDIR is on its way: what is asked next on the same channel finds the folder there. */
  readonly isAsked: boolean;
}

/** The folders at the destination: made when needed, and their entries made durable. */
export interface Folders {
  /** Makes the folder with its parents, once for all who ask. undefined: it is there. */
  ensure(folder: Name): ComingFolder | undefined;
  /** The folder turned out not to be there: the next `ensure` looks again. */
  forget(folder: Name): void;
  /** Puts the names in the folder on stable storage: one fsync serves all who asked before it began. */
  sync(folder: Name): Promise<void>;
}

export const parentOf = (path: Name): Name => {
  const slash = path.lastIndexOf('/');
  return slash > 0 ? path.slice(0, slash) : slash === 0 ? '/' : '.';
};

/** `channel` gives the channel to use now; with `durable` a new folder is there for good before `ensure` resolves. */
export const createFolders = (channel: () => SftpClient, { durable }: { readonly durable: boolean }): Folders => {
  const there = new Set<Name>();
  const coming = new Map<Name, ComingFolder>();
  const nextSync = new Map<Name, Promise<void>>();
  const runningSync = new Map<Name, Promise<void>>();

  const isThere = async (folder: Name): Promise<boolean> => {
    const seen = await channel().stat(folder);
    if (seen === undefined) return false;
    if (((seen.permissions ?? S_IFDIR) & S_IFMT) === S_IFDIR) return true;
    throw new TransportError(
      'file',
      `Cannot use folder "${showName(folder)}" at the destination: it is not a directory`,
      {
        hint: 'move it out of the way, or correct destination.path',
      },
    );
  };

  const make = async (folder: Name): Promise<void> => {
    const parent = parentOf(folder);
    if (!there.has(parent)) {
      if (await isThere(folder)) return;
      if (parent !== folder) await ensure(parent)?.made;
    }
    try {
      await channel().mkdir(folder, {});
    } catch (error) {
      // It was there, or another one made it.
      if (!(error instanceof SftpStatusError) || !(await isThere(folder))) throw makeError(error, folder);
    }
    if (durable) await sync(parent);
  };

  const ensure = (folder: Name): ComingFolder | undefined => {
    if (there.has(folder)) return undefined;
    const known = coming.get(folder);
    if (known !== undefined) return known;
    const isAsked = there.has(parentOf(folder));
    const made = make(folder)
      .then(() => {
        there.add(folder);
      })
      .finally(() => coming.delete(folder));
    made.catch(() => undefined); // Whoever waits for it is told.
    coming.set(folder, { made, isAsked });
    return coming.get(folder);
  };

  const syncNow = async (folder: Name): Promise<void> => {
    if (!channel().has(Extension.FSYNC)) return;
    const use = channel();
    // fsync on a handle of OPENDIR fails; OpenSSH opens a folder for reading like a file.
    const handle = await use.open(folder, OpenFlag.READ, {});
    await Promise.all([use.fsync(handle), use.close(handle)]);
  };

  const sync = (folder: Name): Promise<void> => {
    const queued = nextSync.get(folder);
    if (queued !== undefined) return queued;
    const before = runningSync.get(folder) ?? Promise.resolve();
    // Names that were renamed while a sync runs may have come too late for it: they wait for the next one.
    const next = before
      .catch(() => undefined)
      .then(() => {
        nextSync.delete(folder);
        const running = syncNow(folder);
        runningSync.set(folder, running);
        return running;
      });
    nextSync.set(folder, next);
    return next;
  };

  return { ensure, forget: (folder) => there.delete(folder), sync };
};

const makeError = (error: unknown, folder: Name): unknown => {
  if (!(error instanceof SftpStatusError)) return error;
  const denied = error.status === Status.PERMISSION_DENIED;
  return new TransportError(
    'auth',
    `Cannot make folder "${showName(folder)}" at the destination: ${denied ? 'permission denied' : error.message}`,
    {
      hint: 'give the account the right to write there, or correct destination.path',
      cause: error,
    },
  );
};

// A long line must not cost a round trip for every hundred names; what is asked for beyond the end costs next to nothing.
const MOST_REPLIES_AHEAD = 32;

/** The entries of a folder, in pieces as the server tells of them; none where it is not there. */
export async function* listFolder(channel: SftpClient, folder: Name): AsyncGenerator<DirectoryEntry[]> {
  let handle: Buffer;
  try {
    handle = await channel.opendir(folder);
  } catch (error) {
    ignoreMissing(error);
    return;
  }
  const ahead: Promise<DirectoryEntry[] | undefined>[] = [];
  const ask = (): void => {
    const reply = channel.readdir(handle);
    reply.catch(() => undefined); // Told when its turn comes; nobody asks after the end.
    ahead.push(reply);
  };
  try {
    let isOver = false;
    for (let most = 2; !isOver || ahead.length > 0; most = Math.min(most * 2, MOST_REPLIES_AHEAD)) {
      while (!isOver && ahead.length < most) ask();
      const entries = await ahead.shift();
      // A server that works on several requests at once may tell the end before the last names.
      if (entries === undefined) isOver = true;
      else yield entries;
    }
  } finally {
    await channel.close(handle);
  }
}

/** @throws what says more than that something is not there */
export const ignoreMissing = (error: unknown): void => {
  if (!(error instanceof SftpStatusError) || error.status !== Status.NO_SUCH_FILE) throw error;
};
