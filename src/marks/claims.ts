import type { Report } from '../core/events.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { isMarked } from './mark.ts';
import type { Name } from '../name.ts';
import { createMemoryRecord, createRecord, openRecord, type InodeState, type MarkRecord } from './record.ts';
import { walk, type Entry, type IsExcluded } from '../source/scanner.ts';
import type { StateFolder } from './state.ts';

export interface RecordOptions {
  readonly root: Name;
  readonly state: StateFolder;
  readonly isExcluded: IsExcluded;
  readonly report: Report;
  /** Leave no trace: for a dry run. */
  readonly dry: boolean;
  /** Told all that the directory holds, where it must be walked for its marks. */
  readonly onEntry?: ((entry: Entry) => void) | undefined;
}

/**
 * The record of a directory. Where it has none it begins with the marks of the old tool, or those that a lost state knew of: a file
 * that is marked and whose ctime differs from its mtime counts as sent (contract.md §3). A directory that was made after
 * our state cannot have such marks: there a file that is born g+w is not taken for sent.
 */
export const openDirectoryRecord = (
  directory: DirectorySnapshot,
  { root, state, isExcluded, report, dry, onEntry: walked }: RecordOptions,
): MarkRecord => {
  const { name } = directory;
  const path = state.recordPath(name);
  const onFailure = (message: string): void => report({ type: 'note', level: 'warning', message });
  // A daemon that lost its root and has it back opens its records again.
  const existing = openRecord(path, onFailure, state.recordedBefore(name));
  if (existing !== undefined) return existing;
  let files = 0;
  const adopted = function* (): Generator<readonly [InodeState, Name]> {
    if (directory.birthNs > state.sinceNs) return;
    for (const entry of walk(`${root}/${name}`, isExcluded)) {
      walked?.(entry);
      if (entry.kind !== 'file' || !isMarked(entry.stats) || entry.stats.ctimeNs === entry.stats.mtimeNs) continue;
      files += 1;
      yield [entry.stats, entry.path];
    }
  };
  const record = dry ? createMemoryRecord(adopted()) : createRecord(path, adopted(), onFailure);
  state.recordedBefore(name); // What was adopted is not of this process.
  if (files > 0) report({ type: 'adopted', directory: name, files });
  return record;
};
