import { fstatSync } from 'node:fs';

/** Does systemd's journal read what is written there? As systemd.exec(5) says: `JOURNAL_STREAM` names its device and inode. */
export const isJournal = (fd: number, stream: string | undefined): boolean => {
  if (stream === undefined || stream === '') return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false; // It is closed.
  }
};
