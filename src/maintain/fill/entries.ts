import type { BigIntStats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isSameDirectory, type DirectorySnapshot } from '../../core/lifecycle.ts';
import type { SiteContext } from '../../delivery/context.ts';
import { walk, type Entry } from '../../source/scanner.ts';

const ENTRIES_A_TURN = 256;

/**
 * Lists a directory; signals and replies have their turn meanwhile.
 * @param opened called with the directory that is listed
 * @throws ENOENT where another directory has its name
 */
export async function* listEntries(
  directory: DirectorySnapshot,
  { config, isExcluded, signal }: Pick<SiteContext, 'config' | 'isExcluded' | 'signal'>,
  opened: (stats: BigIntStats) => void = () => undefined,
): AsyncGenerator<Entry> {
  const noteOpened = (stats: BigIntStats): void => {
    if (!isSameDirectory({ dev: stats.dev, ino: stats.ino, birthNs: stats.birthtimeNs }, directory))
      throw Object.assign(new Error('another directory has its name'), { code: 'ENOENT' });
    opened(stats);
  };
  let entries = 0;
  for (const entry of walk(`${config.source.root}/${directory.name}`, isExcluded, noteOpened)) {
    yield entry;
    if ((entries += 1) % ENTRIES_A_TURN > 0) continue;
    await nextTurn();
    signal.throwIfAborted();
  }
}
