import { readFileSync } from 'node:fs';

/** The kernel's limits on watching; undefined where they cannot be read. */
export interface InotifyLimits {
  readonly queuedEvents: number | undefined;
  readonly instances: number | undefined;
  readonly watches: number | undefined;
}

const read = (name: string): number | undefined => {
  try {
    return Number(readFileSync(`/proc/sys/fs/inotify/${name}`, 'latin1'));
  } catch {
    return undefined;
  }
};

export const readInotifyLimits = (): InotifyLimits => ({
  queuedEvents: read('max_queued_events'),
  instances: read('max_user_instances'),
  watches: read('max_user_watches'),
});

/** Which limit a source ran into: its own words and the kernel's name another one ("no space left", "too many open files"). */
export type ReachedLimit = 'instances' | 'watches';

/** From the words of `inotifywait` or the message of a system error. */
export const reachedLimit = (words: string): ReachedLimit | undefined => {
  if (/upper limit on inotify watches|ENOSPC|No space left/i.test(words)) return 'watches';
  return /Too many open files|max_user_instances|EMFILE/i.test(words) ? 'instances' : undefined;
};

/** What to tell of a limit that was reached: the message, and its cure. */
export const describeLimit = (limit: ReachedLimit, limits: InotifyLimits): readonly [string, string] => {
  const key = `fs.inotify.max_user_${limit}`;
  const now = limits[limit];
  const setting = `${key}=${limit === 'instances' ? Math.max(512, (now ?? 0) * 2) : Math.max(524_288, (now ?? 0) * 2)}`;
  return [
    `Cannot watch: the limit ${key}${now === undefined ? '' : `, ${now},`} is reached; files are found by the rescan alone`,
    `sysctl -w ${setting}, and for the next boot: echo ${setting} > /etc/sysctl.d/60-isocket.conf`,
  ];
};
