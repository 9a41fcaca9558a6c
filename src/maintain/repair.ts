import { errorMessage } from '../errors.ts';
import type { Report } from '../core/events.ts';
import { removeFinishedWatch } from '../marks/finished-watch.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { unmark } from '../marks/mark.ts';
import type { Name } from '../name.ts';

/** Makes files unsent again that the destination has not, or not as they are. */
export interface Repair {
  /** The proof of its directory goes first, then its mark: a crash in between leaves the directory unfinished. */
  takeBack(directory: DirectorySnapshot, path: Name): void;
  /** The directories of which something was taken back: they are to be sent again. */
  readonly directories: ReadonlySet<Name>;
}

export const createRepair = (root: Name, report: Report): Repair => {
  const directories = new Set<Name>();
  return {
    directories,
    takeBack: (directory, path) => {
      try {
        if (!directories.has(directory.name)) removeFinishedWatch(root, directory);
        directories.add(directory.name);
        unmark(root, path);
      } catch (error) {
        report({ type: 'note', level: 'warning', message: errorMessage(error) });
      }
    },
  };
};
