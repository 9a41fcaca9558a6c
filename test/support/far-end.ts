import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunningSite } from './site.ts';

/** Sizes in bytes of the files below a folder, by inode: rsync renames its temporary files. */
const sizesBelow = (folder: string): ReadonlyMap<number, number> =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
      const stats = lstatSync(`${folder}/${name}`, { throwIfNoEntry: false });
      return stats?.isFile() === true ? [[stats.ino, stats.size]] : [];
    }),
  );

/** Resolves when the destination has a file that this scan has grown to `bytes`, under any name, or when the scan has ended. */
export const writtenOrOver = async (
  folder: string,
  bytes: number,
  scan: Pick<RunningSite, 'ended'>,
): Promise<'written' | 'over'> => {
  const before = sizesBelow(folder);
  let isOver = false as boolean;
  void scan.ended.then(() => {
    isOver = true;
  });
  const isWritten = (): boolean =>
    [...sizesBelow(folder)].some(([inode, size]) => size >= bytes && size !== before.get(inode));
  while (!isWritten()) {
    if (isOver) return 'over';
    await delay(2);
  }
  return 'written';
};

/** Resolves when these processes have ended. A zombie counts as ended: in a container nobody may reap an orphan. */
export const gone = async (pids: readonly number[]): Promise<void> => {
  const isThere = (pid: number): boolean => {
    try {
      return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
    } catch {
      return false;
    }
  };
  while (pids.some(isThere)) await delay(2);
};

/** Sends SIGKILL; false where the process had already ended. */
export const killed = (pid: number): boolean => {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
};
