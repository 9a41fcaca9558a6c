import { lstatSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { plainMessage, systemErrorCode } from '../../errors.ts';
import { isMarked } from '../../marks/mark.ts';
import { fsPath, type Name } from '../../name.ts';
import { walk, type IsExcluded } from '../../source/scanner.ts';

const ENTRIES_A_TURN = 256;

export interface UnsentFile {
  /** Below the root. */
  readonly path: Name;
  readonly sinceMs: number;
}

/** What is unsent in some directories. */
export interface Unsent {
  /** The unmarked file that was changed longest ago. */
  readonly oldest: UnsentFile | undefined;
  /** The first name of each directory that the disk does not let us read. */
  readonly unreadable: readonly { readonly path: Name; readonly reason: string }[];
}

/** Looks for unmarked files. Read-only, and in small portions: transfers go on. */
export const lookForUnsent = async (
  root: Name,
  directories: Iterable<Name>,
  isExcluded: IsExcluded,
  signal: AbortSignal,
): Promise<Unsent> => {
  let oldest: UnsentFile | undefined;
  const unreadable = new Map<Name, { readonly path: Name; readonly reason: string }>();
  const seen = (): Unsent => ({ oldest, unreadable: [...unreadable.values()] });
  let entries = 0;
  for (const directory of directories) {
    try {
      for (const entry of walk(`${root}/${directory}`, isExcluded)) {
        if ((entries += 1) % ENTRIES_A_TURN === 0) await nextTurn();
        if (signal.aborted) return seen();
        if (entry.kind === 'unreadable' && !unreadable.has(directory)) {
          const path = `${directory}/${entry.path}`;
          unreadable.set(directory, { path, reason: plainMessage(entry.error) });
        }
        if (entry.kind !== 'file' || isMarked(entry.stats)) continue;
        const sinceMs = Number(entry.stats.ctimeMs);
        if (oldest === undefined || sinceMs < oldest.sinceMs) oldest = { path: `${directory}/${entry.path}`, sinceMs };
      }
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error; // Gone, or closed to us: whoever works on it says so.
    }
  }
  return seen();
};

/** Is it there, and not marked? */
export const isUnsent = (path: Name): boolean => {
  try {
    const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
    return stats !== undefined && !isMarked(stats);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return true; // Its folder is closed to us.
  }
};
