import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunningSite } from './site.ts';

/** The files of a folder, by inode: rsync gives what it has another name. */
const sizesBelow = (folder: string): ReadonlyMap<number, number> =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
      const stats = lstatSync(`${folder}/${name}`, { throwIfNoEntry: false });
      return stats?.isFile() === true ? [[stats.ino, stats.size]] : [];
    }),
  );

/** Resolves when the far rsync of this scan has written so much of a file, under whatever name; or when the scan is over. */
export const writtenOrOver = async (folder: string, bytes: number, scan: RunningSite): Promise<'written' | 'over'> => {
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

/** Resolves when these processes are gone. Of an orphan's end nobody may take note in a container: a zombie is gone, too. */
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

/** False where it had come to its end just before. */
export const killed = (pid: number): boolean => {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
};
