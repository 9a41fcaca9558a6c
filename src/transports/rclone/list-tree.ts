import type { Name, StoredEntry } from '../../transport.ts';
import type { Session } from './session.ts';
import { listStored, statStored } from './stored-files.ts';

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
  const tell = async (entry: StoredEntry): Promise<void> => {
    await session.questions.acquire(1);
    try {
      signal.throwIfAborted();
      const file = await statStored(session, entry.path, {}, signal);
      if (file !== undefined) visit({ ...entry, size: file.size, mtimeSeconds: file.mtimeSeconds });
    } finally {
      session.questions.release(1);
    }
  };
  const asked: Promise<void>[] = [];
  for (const entry of entries) {
    signal.throwIfAborted();
    if (noTimes && entry.kind === 'file') asked.push(tell(entry));
    else visit(entry);
  }
  for (const outcome of await Promise.allSettled(asked)) if (outcome.status === 'rejected') throw outcome.reason;
};
