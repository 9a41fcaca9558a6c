import { lstatSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { fsPath, showName } from '../name.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { MANIFEST } from '../source/markers.ts';
import type { ProbeResult } from '../transport.ts';

const MOST_NAMED = 5;

/** Unfinished directories that have a file or a folder named like the manifest. Undefined where none is asked for. */
export const manifestLine = (
  { manifest, source }: Config,
  directories: readonly DirectorySnapshot[],
): ProbeResult | undefined => {
  if (!manifest) return undefined;
  const what = 'manifest';
  const isExcluded = createIsExcluded(source.exclude)(MANIFEST);
  const taken = directories
    .filter(({ name, finishedWatch }) => !finishedWatch && !isExcluded && isTaken(`${source.root}/${name}/${MANIFEST}`))
    .map(({ name }) => showName(name));
  if (taken.length === 0) return { what, state: 'ok', message: `${MANIFEST} is delivered into each directory` };
  const more = taken.length > MOST_NAMED ? ` and ${taken.length - MOST_NAMED} more` : '';
  return {
    what,
    state: 'warning',
    message: `the parser has a ${MANIFEST} of its own in ${taken.slice(0, MOST_NAMED).join(', ')}${more}: it is not sent, and keeps the directory unfinished`,
    hint: 'rename it, add it to source.exclude, or set manifest: false',
  };
};

const isTaken = (path: string): boolean => {
  try {
    const stats = lstatSync(fsPath(path), { throwIfNoEntry: false });
    return stats?.isFile() === true || stats?.isDirectory() === true;
  } catch {
    return false; // Not readable: the checks of the directories report that.
  }
};
