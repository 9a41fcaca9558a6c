import type { Config } from '../config/config.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { showName } from '../name.ts';
import type { ProbeResult } from '../transport.ts';

/** Warns where the file system gives a directory no birth time. Pure. */
export const birthTimeLine = (
  directories: readonly Pick<DirectorySnapshot, 'name' | 'birthNs'>[],
  newest: Config['source']['newest'],
): ProbeResult => {
  const what = 'birth time';
  const first = directories.find(({ birthNs }) => birthNs === 0n);
  if (first === undefined) {
    const message = directories.length === 0 ? 'no directory to examine' : 'every directory has one';
    return { what, state: 'ok', message };
  }
  const order =
    newest === 'birth'
      ? 'directories are ordered by name, whatever source.newest says: set it to name, or to mtime if names do not sort by age'
      : `the order by ${newest} (source.newest) does not need it`;
  return {
    what,
    state: 'warning',
    message: `the file system keeps no birth time (first: "${showName(first.name)}")`,
    hint: order,
  };
};
