import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const TASKS = '/proc/self/task';

/** Which of this process's threads bear a claim now, by the thread's id. */
const claimed = new Map<string, string>();

/**
 * Says in the name of one of this process's threads that it works at an address. Anybody may bind an abstract socket and answer there,
 * but only a process itself can name its threads, and everybody can read those names and whose process it is. `ps` shows the main
 * thread, which keeps its name. Without a free thread there is no claim, and the lock is worth less.
 */
export const claim = (address: string): Disposable => {
  const thread = threads().find((id) => id !== String(process.pid) && !claimed.has(id));
  if (thread === undefined) return { [Symbol.dispose]: () => undefined };
  const before = threadName(TASKS, thread);
  nameThread(thread, claimName(address));
  claimed.set(thread, address);
  return {
    [Symbol.dispose]: () => {
      claimed.delete(thread);
      nameThread(thread, before);
    },
  };
};

/** The user whose process claims to work at an address; undefined where it does not, or cannot be seen from here. */
export const userClaiming = (address: string, pid: number): number | undefined => {
  const tasks = `/proc/${pid}/task`;
  const name = claimName(address);
  try {
    const claiming = readdirSync(tasks).filter((thread) => threadName(tasks, thread) === name);
    // The main thread bears the name that its program was started under: of a set-user-ID one it is the choice of whoever starts it.
    return claiming.length === 0 || claiming.includes(String(pid)) ? undefined : userOf(pid);
  } catch {
    return undefined; // It has ended.
  }
};

/** The process of one of these users that claims to work at an address. */
export const findClaim = (address: string, users: ReadonlySet<number>): number | undefined =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => users.has(userClaiming(address, pid) ?? NOBODY));

const NOBODY = -1;

/** Where its real, effective, saved and file system user are one. The owner of `/proc/PID` is root for some processes of any user. */
const userOf = (pid: number): number | undefined => {
  const [, ids = ''] = /^Uid:\s*([\d\s]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  const [uid, ...others] = ids.trim().split(/\s+/);
  return others.every((other) => other === uid) ? Number(uid) : undefined;
};

const threads = (): string[] => {
  try {
    return readdirSync(TASKS);
  } catch {
    return []; // There is no /proc.
  }
};

/** A thread's name has 15 bytes at most. */
const claimName = (address: string): string =>
  `ist${createHash('sha256').update(address).digest('base64url').slice(0, 12)}`;

const threadName = (tasks: string, thread: string): string => readFileSync(`${tasks}/${thread}/comm`, 'utf8').trimEnd();

const nameThread = (thread: string, name: string): void => {
  try {
    writeFileSync(`${TASKS}/${thread}/comm`, name);
  } catch {
    // The thread has ended, or /proc is read-only: there is no claim.
  }
};
