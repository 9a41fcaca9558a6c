import { TransportError } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import { FolderSyncRefused, syncFolder } from '../sync-folder.ts';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { Extension, Status, type Attributes } from '../../sftp/protocol.ts';
import { refusedMkdir } from './mkdir-error.ts';
import { createFindTrouble, type FindTrouble } from './server-errors.ts';
import { isRefusal } from './server-habits.ts';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

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
  readonly findTrouble?: FindTrouble;
  /** Called when the server turns out not to sync folders, with what that means. */
  readonly tell?: (message: string) => void;
}

/** Through a link; where the server refuses that, a link counts as what it should lead to. */
export const lookThrough = async (channel: SftpClient, folder: Name): Promise<Attributes | undefined> => {
  try {
    return await channel.stat(folder);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const attributes = await channel.lstat(folder);
    return attributes !== undefined && ((attributes.permissions ?? 0) & S_IFMT) === S_IFLNK ? {} : attributes;
  }
};

/** @throws TransportError `file` if something else has the name */
export const folderExists = async (channel: SftpClient, folder: Name): Promise<boolean> => {
  const attributes = await lookThrough(channel, folder);
  if (attributes === undefined) return false;
  if (((attributes.permissions ?? S_IFDIR) & S_IFMT) === S_IFDIR) return true;
  throw new TransportError(
    'file',
    `Cannot use folder "${showName(folder)}" at the destination: it is not a directory`,
    { hint: 'move it out of the way, or correct destination.path' },
  );
};

/** `channel` returns the channel to use. */
export const createFolders = (
  channel: () => SftpClient,
  { durable, base, findTrouble = createFindTrouble(), tell }: FoldersOptions,
): Folders => {
  const existing = new Set<Name>();
  const clean = new Set<Name>();
  const pending = new Map<Name, PendingMkdir>();

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
    if (refusal !== undefined && !(await folderExists(channel(), folder).catch(isNotKnown)))
      throw await refusedMkdir(refusal, folder, { channel: channel(), parent, base, findTrouble });
    await above?.done;
    if (refusal !== undefined) return;
    // Others answer so for a folder that exists, in which an earlier run may have left something.
    if (use.has(Extension.LIMITS)) clean.add(folder);
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

/** Whoever cannot say whether a folder is there has refused to make it. */
const isNotKnown = (error: unknown): false => {
  if (error instanceof SftpStatusError) return false;
  throw error;
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

/** So many folders that are refused, and none that was synced: the server refuses it. */
const REFUSED_EVERYWHERE = 3;

/** One folder that the account may not read is no reason to do without the others. */
class RefusedSyncs {
  readonly #folders = new Set<Name>();
  #isEverywhere = false;
  #hasSynced = false;

  has(folder: Name): boolean {
    return this.#isEverywhere || (this.#folders.size > 0 && this.#folders.has(folder));
  }

  synced(): void {
    this.#hasSynced = true;
  }

  learn({ status }: SftpStatusError, folder: Name): void {
    this.#folders.add(folder);
    this.#isEverywhere ||=
      status === Status.OP_UNSUPPORTED || (!this.#hasSynced && this.#folders.size >= REFUSED_EVERYWHERE);
  }
}

const createFolderSync = (channel: () => SftpClient, tell: FoldersOptions['tell']): Folders['sync'] => {
  const nextSync = new Map<Name, Promise<void>>();
  const runningSync = new Map<Name, Promise<void>>();
  const refused = new RefusedSyncs();
  const syncNow = async (folder: Name): Promise<void> => {
    const use = channel();
    if (refused.has(folder) || !use.has(Extension.FSYNC)) return;
    try {
      await syncFolder(use, folder);
      refused.synced();
    } catch (error) {
      if (!(error instanceof FolderSyncRefused)) throw error;
      refused.learn(error, folder);
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

/** @throws the error, unless it is "no such file" */
export const ignoreMissing = (error: unknown): void => {
  if (!(error instanceof SftpStatusError) || error.status !== Status.NO_SUCH_FILE) throw error;
};
