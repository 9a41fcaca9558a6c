import { TransportError, type TransportErrorClass } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import { FolderSyncRefused, syncFolder } from '../sync-folder.ts';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError, type DirectoryEntry } from '../../sftp/replies.ts';
import { Extension, Status } from '../../sftp/protocol.ts';
import { createIsFull, type IsFull } from './server-errors.ts';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** Of a folder itself, not of a link to one; false where the server tells no type. */
export const isFolderMode = (permissions: number | undefined): boolean => ((permissions ?? 0) & S_IFMT) === S_IFDIR;

/** A folder that is being created. */
export interface PendingMkdir {
  readonly done: Promise<void>;
  /** MKDIR was sent on it: later requests on this channel find the folder, if the server executes them in order. */
  readonly channel: SftpClient;
}

/** The folders at the destination: created when needed, and synced to stable storage. */
export interface Folders {
  /** Creates the folder with its parents, once for all concurrent callers. undefined: it exists. */
  ensure(folder: Name): PendingMkdir | undefined;
  /** The folder turned out to be missing: the next `ensure` checks again. */
  forget(folder: Name): void;
  /** Made by this session, and no send failed since: it holds no temporary file. */
  isClean(folder: Name): boolean;
  /** A send failed, and may have left a temporary file. */
  noteFailure(): void;
  /** Syncs the folder's entries to stable storage: one fsync serves all callers that came before it started. */
  sync(folder: Name): Promise<void>;
}

export const parentOf = (path: Name): Name => {
  const slash = path.lastIndexOf('/');
  return slash > 0 ? path.slice(0, slash) : slash === 0 ? '/' : '.';
};

export interface FoldersOptions {
  /** A new folder is on stable storage before `ensure` resolves. */
  readonly durable: boolean;
  /** destination.path: what is refused below it concerns the files of that folder only. */
  readonly base: Name;
  readonly isFull?: IsFull;
  /** Called when the server turns out not to sync folders, with what that means. */
  readonly tell?: (message: string) => void;
}

/** `channel` returns the channel to use. */
export const createFolders = (
  channel: () => SftpClient,
  { durable, base, isFull = createIsFull(), tell }: FoldersOptions,
): Folders => {
  const existing = new Set<Name>();
  const clean = new Set<Name>();
  const pending = new Map<Name, PendingMkdir>();

  const exists = async (folder: Name): Promise<boolean> => {
    const attributes = await channel().stat(folder);
    if (attributes === undefined) return false;
    if (((attributes.permissions ?? S_IFDIR) & S_IFMT) === S_IFDIR) return true;
    throw new TransportError(
      'file',
      `Cannot use folder "${showName(folder)}" at the destination: it is not a directory`,
      {
        hint: 'move it out of the way, or correct destination.path',
      },
    );
  };

  /** MKDIR goes out at once, behind those of the folders above: what came of them is looked at when it is answered. */
  const create = async (folder: Name, use: SftpClient, above: PendingMkdir | undefined): Promise<void> => {
    const parent = parentOf(folder);
    let refusal = await refusalOf(use.mkdir(folder, {}));
    if (refusal?.status === Status.NO_SUCH_FILE && parent !== folder) {
      existing.delete(parent);
      await (above ?? ensure(parent))?.done;
      refusal = await refusalOf(use.mkdir(folder, {}));
    }
    // It exists already, or another process created it meanwhile.
    if (refusal !== undefined && !(await exists(folder)))
      throw await refusedMkdir(refusal, folder, { channel: channel(), base, isFull });
    await above?.done;
    if (refusal !== undefined) return;
    clean.add(folder);
    if (durable) await sync(parent);
  };

  const ensure = (folder: Name): PendingMkdir | undefined => {
    if (existing.has(folder)) return undefined;
    const running = pending.get(folder);
    if (running !== undefined) return running;
    // destination.path and what is above it are made only where they turn out to be missing.
    const parent = parentOf(folder);
    const above = parent !== '/' && parent.startsWith(`${base}/`) ? ensure(parent) : undefined;
    const use = above?.channel ?? channel();
    const done = create(folder, use, above)
      .then(() => {
        existing.add(folder);
      })
      .finally(() => pending.delete(folder));
    done.catch(() => undefined); // Reported to the callers, who await it.
    const mkdir = { done, channel: use };
    pending.set(folder, mkdir);
    return mkdir;
  };

  const sync = createFolderSync(channel, tell);
  return {
    ensure,
    forget: (folder) => existing.delete(folder),
    isClean: (folder) => clean.has(folder),
    noteFailure: () => clean.clear(),
    sync,
  };
};

/** The status with which a request was refused. */
const refusalOf = async (request: Promise<void>): Promise<SftpStatusError | undefined> => {
  try {
    await request;
    return undefined;
  } catch (error) {
    if (error instanceof SftpStatusError) return error;
    throw error;
  }
};

const createFolderSync = (channel: () => SftpClient, tell: FoldersOptions['tell']): Folders['sync'] => {
  const nextSync = new Map<Name, Promise<void>>();
  const runningSync = new Map<Name, Promise<void>>();
  let refusesSync = false;
  const syncNow = async (folder: Name): Promise<void> => {
    const use = channel();
    if (refusesSync || !use.has(Extension.FSYNC)) return;
    try {
      await syncFolder(use, folder);
    } catch (error) {
      if (!(error instanceof FolderSyncRefused)) throw error;
      refusesSync = true;
      tell?.(
        `the server does not put the names in a folder on stable storage (${error.message}): content is there, but names may be lost if its power fails`,
      );
    }
  };

  return (folder) => {
    const queued = nextSync.get(folder);
    if (queued !== undefined) return queued;
    const before = runningSync.get(folder) ?? Promise.resolve();
    // A file renamed while a sync runs may be too late for it: it waits for the next one.
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
};

/** Below destination.path it concerns the files of that folder; at destination.path nothing can be sent. */
const refusedMkdir = async (
  error: SftpStatusError,
  folder: Name,
  { channel, base, isFull }: { readonly channel: SftpClient; readonly base: Name; readonly isFull: IsFull },
): Promise<TransportError> => {
  const isForSpace = error.status === Status.FAILURE && (await isFull(channel, parentOf(folder)));
  const isBelow = folder.startsWith(`${base}/`);
  return mkdirError(error, folder, isForSpace ? 'destination-full' : isBelow ? 'file' : 'auth');
};

const mkdirError = (error: SftpStatusError, folder: Name, errorClass: TransportErrorClass): TransportError => {
  const isFull = errorClass === 'destination-full';
  const isDenied = error.status === Status.PERMISSION_DENIED;
  const state = isFull ? 'no space left on device' : isDenied ? 'permission denied' : error.message;
  return new TransportError(errorClass, `Cannot make folder "${showName(folder)}" at the destination: ${state}`, {
    hint: isFull
      ? 'make room at the destination; isocket goes on by itself'
      : 'give the account the right to write there, or correct destination.path',
    cause: error,
  });
};

// READDIR requests in flight: with one at a time latency would cost a round trip for every hundred names. Requests beyond the end cost little.
const MAX_REQUESTS_AHEAD = 32;

/**
 * The entries of a folder, in batches as the server sends them; none if the folder does not exist.
 * @param isFar a round trip costs more than requests beyond the end
 */
export async function* listFolder(channel: SftpClient, folder: Name, isFar: boolean): AsyncGenerator<DirectoryEntry[]> {
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

/** @throws the error, unless it is "no such file" */
export const ignoreMissing = (error: unknown): void => {
  if (!(error instanceof SftpStatusError) || error.status !== Status.NO_SUCH_FILE) throw error;
};
