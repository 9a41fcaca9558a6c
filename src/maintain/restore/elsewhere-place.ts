import { fsyncSync } from 'node:fs';
import type { Name } from '../../name.ts';
import { inFolder } from '../../source/open-beneath.ts';
import type { Place } from './place.ts';
import { syncFileSystem } from './sync-disk.ts';
import { makeWorkFolder, removeEmptyWorkFolder, removeWorkFolder } from './work-folder.ts';

const SCRATCH = 'scratch';

/** A folder that is no part of the site: files come as they were delivered, without the mark, and nothing is recorded. */
export const openPlaceElsewhere = (base: Name, directory: Name): Place => ({
  base,
  name: directory,
  scratch: `${makeWorkFolder(base, directory, SCRATCH)}/${SCRATCH}`,
  isMarked: () => false,
  finish: async () => {
    removeWorkFolder(base, directory);
    if (!(await syncFileSystem(base))) inFolder(base, directory, fsyncSync);
    return { isFinished: false };
  },
  [Symbol.dispose]: () => removeEmptyWorkFolder(base, directory, [SCRATCH]),
});

/** For a dry run: nothing is made. */
export const viewPlace = (base: Name, directory: Name): Place => ({
  base,
  name: directory,
  scratch: base,
  isMarked: () => false,
  finish: () => Promise.resolve({ isFinished: false }),
  [Symbol.dispose]: () => undefined,
});
