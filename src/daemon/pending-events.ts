import type { Name } from '../name.ts';

/**
 * Names of one directory that something happened to. Mostly a close event explains it soon, the file is sent, and nobody needs to list the
 * directory: that would cost what was sent before, not what is new. What nothing explains (a link, a slow writer) wants a listing.
 */
export interface PendingEvents extends Disposable {
  /** undefined: the source could not tell the name. */
  add(path: Name | undefined): void;
  explain(path: Name): void;
}

/** Calls `list` once a name has waited for an explanation for `settleMs`; what else is waiting then is seen by the same listing. */
export const createPendingEvents = (settleMs: number, list: () => void): PendingEvents => {
  /** When each was first told of, oldest first. */
  const unexplained = new Map<Name | undefined, number>();
  let timer: NodeJS.Timeout | undefined;

  const check = (): void => {
    timer = undefined;
    const [oldest] = unexplained.values();
    if (oldest === undefined) return;
    const waitMs = oldest + settleMs - performance.now();
    if (waitMs > 0) {
      timer = setTimeout(check, Math.ceil(waitMs));
      return;
    }
    unexplained.clear();
    list();
  };

  return {
    add: (path) => {
      if (!unexplained.has(path)) unexplained.set(path, performance.now());
      if (timer === undefined) check();
    },
    explain: (path) => {
      unexplained.delete(path);
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      timer = undefined;
      unexplained.clear();
    },
  };
};
