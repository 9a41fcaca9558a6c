import { setImmediate as nextTurn } from 'node:timers/promises';
import { errorMessage } from '../errors.ts';
import type { Destination } from '../config/config.ts';
import type { Report } from '../core/events.ts';
import { removeFinishedWatch } from '../marks/finished-watch.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { isMarked, unmark } from '../marks/mark.ts';
import type { Name } from '../name.ts';
import { beginRecord } from '../marks/record.ts';
import { destinationKeys, inNoState } from '../marks/record-hash.ts';
import { cannotRead, pathIn } from '../source/directory-failures.ts';
import { walk, type IsExcluded } from '../source/scanner.ts';
import type { StateFolder } from '../marks/state.ts';

export interface ResetOptions {
  readonly root: Name;
  /** They are asked what they have, by size and time: what the record knows to be another version is sent all the same. */
  readonly bestEffort: readonly Destination[];
  readonly state: StateFolder;
  readonly isExcluded: IsExcluded;
  readonly report: Report;
}

const ENTRIES_A_TURN = 256;

/**
 * Makes a directory unsent: `finished.watch` goes first, so that a crash from here on leaves it unfinished, then what we knew
 * of its marks, then the marks. Returns how many names could not be un-marked or read. (The record begins anew and empty: without one,
 * a file that is renamed into place g+w a moment later would pass for marked by somebody before us.)
 */
export const resetDirectory = async (
  directory: DirectorySnapshot,
  { root, bestEffort, state, isExcluded, report }: ResetOptions,
): Promise<number> => {
  const { name } = directory;
  removeFinishedWatch(root, directory);
  using record = beginRecord(state.recordPath(name), destinationKeys(bestEffort), () => undefined);
  let files = 0;
  let failed = 0;
  let entries = 0;
  for (const entry of walk(`${root}/${name}`, isExcluded)) {
    if ((entries += 1) % ENTRIES_A_TURN === 0) await nextTurn();
    if (entry.kind === 'unreadable') {
      failed += 1;
      const { message, hint = '' } = cannotRead(pathIn(name, entry.path), entry.error);
      report({ type: 'note', level: 'warning', message: `${message}; ${hint}` });
    }
    if (entry.kind !== 'file') continue;
    files += 1;
    record.add(entry.path, inNoState(entry.stats));
    if (!isMarked(entry.stats)) continue;
    try {
      unmark(root, `${name}/${entry.path}`);
    } catch (error) {
      failed += 1;
      report({ type: 'note', level: 'warning', message: errorMessage(error) });
    }
  }
  report({ type: 'reset', directory: name, files });
  return failed;
};
