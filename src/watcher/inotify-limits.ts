import { readFileSync } from 'node:fs';

/** The kernel's inotify limits; undefined where they cannot be read. */
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

/** The limit that was reached. The error itself names another one: "no space left" (watches), "too many open files" (instances). */
export type ReachedLimit = 'instances' | 'watches';

/** From the output of `inotifywait` or the message of a system error. */
export const reachedLimit = (output: string): ReachedLimit | undefined => {
  if (/upper limit on inotify watches|ENOSPC|No space left/i.test(output)) return 'watches';
  return /Too many open files|max_user_instances|EMFILE/i.test(output) ? 'instances' : undefined;
};

/** A reached limit as a message and a hint with the fix. */
export const describeLimit = (limit: ReachedLimit, limits: InotifyLimits): readonly [string, string] => {
  const key = `fs.inotify.max_user_${limit}`;
  const now = limits[limit];
  const setting = `${key}=${limit === 'instances' ? Math.max(512, (now ?? 0) * 2) : Math.max(524_288, (now ?? 0) * 2)}`;
  return [
    `Cannot watch: the limit ${key}${now === undefined ? '' : ` (${now})`} is reached; files are found by the rescan alone`,
    `sysctl -w ${setting}, and for the next boot: echo ${setting} > /etc/sysctl.d/60-isocket.conf`,
  ];
};
