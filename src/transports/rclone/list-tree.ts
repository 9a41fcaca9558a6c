import type { Name, StoredEntry } from '../../transport.ts';
import type { Session } from './session.ts';
import { listStored, statMany, statStored, type StoredFile } from './stored-files.ts';

export interface ListTreeOptions {
  readonly deep: boolean;
  readonly visit: (entry: StoredEntry) => void;
}

/** `Transport.listTree`. rclone lists files and folders; links it leaves out. */
export const listTree = async (
  session: Session,
  folder: Name,
  { deep, visit }: ListTreeOptions,
  signal: AbortSignal,
): Promise<void> => {
  // A listing would ask for one time after the other.
  const noTimes = session.traits.hasSlowTimes;
  const entries = await listStored(session, folder, { deep, noTimes }, signal);
  const files = entries.filter(({ kind }) => kind === 'file');
  const seen = new Map<Name, StoredFile>();
  if (noTimes) {
    for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
      const paths = files.slice(at, at + FILES_AT_ONCE).map(({ path }) => path);
      for (const [path, file] of await statMany(session, paths, {}, signal)) seen.set(path, file);
    }
  }
  const tell = async (entry: StoredEntry): Promise<void> => {
    const file = seen.get(entry.path) ?? (await askFor(session, entry, signal));
    if (file !== undefined) visit({ ...entry, size: file.size, mtimeSeconds: file.mtimeSeconds });
  };
  const asked: Promise<void>[] = [];
  for (const entry of entries) {
    signal.throwIfAborted();
    if (noTimes && entry.kind === 'file') asked.push(tell(entry));
    else visit(entry);
  }
  for (const outcome of await Promise.allSettled(asked)) if (outcome.status === 'rejected') throw outcome.reason;
};

const FILES_AT_ONCE = 1000;

const askFor = async (
  session: Session,
  { path }: StoredEntry,
  signal: AbortSignal,
): Promise<StoredFile | undefined> => {
  await session.questions.acquire(1);
  try {
    signal.throwIfAborted();
    return await statStored(session, path, {}, signal);
  } finally {
    session.questions.release(1);
  }
};
