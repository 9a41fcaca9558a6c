import { lstatSync, type BigIntStats } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { createIsExcluded } from '../source/exclude.ts';
import type { ClosedBy } from '../core/lifecycle.ts';
import { listDirectory } from '../delivery/list-directory.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';
import { isMarked } from '../marks/mark.ts';
import { createMemoryRecord } from '../marks/record.ts';
import { isMarker } from '../source/markers.ts';
import type { FileEvent } from '../watcher/file-events.ts';
import type { Watcher } from '../watcher/watcher.ts';
import { createOpenFilesView } from '../source/open-files.ts';

export interface NamingOptions {
  readonly config: Config;
  readonly watcher: Watcher;
  /** Told each path once it is complete, and again when it was written again. */
  readonly name: (path: Name) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * The watcher's role alone (contract.md §5): names each complete file of a directory, what was there before too, until
 * `finished.parse` is there and no file is open any more, or the directory is gone.
 */
export const nameCompleteFiles = async (
  directory: Name,
  { config, watcher, name, signal }: NamingOptions,
): Promise<void> => {
  const { exclude, settleMs, rescanMs } = config.source;
  const isExcluded = createIsExcluded(exclude);
  const openFiles = createOpenFilesView();
  const named = createMemoryRecord();
  /** The same without the ctime, which our sender moves with each mark that it sets or takes off. */
  const unmoved = createMemoryRecord();
  const closed = new Set<Name>();
  const state = { isGone: false, wake: (): void => undefined };

  const hear = (event: FileEvent): void => {
    if (event.kind === 'closed' && event.path !== FINISHED_PARSE) closed.add(event.path);
    else if (event.kind === 'gone') state.isGone = true;
    state.wake();
  };
  const nameOnce = async (path: Name, stats: BigIntStats): Promise<void> => {
    named.add(path, stats);
    unmoved.add(path, { ...stats, ctimeNs: 0n });
    await name(`${directory}/${path}`);
  };
  const isNamed = (path: Name, stats: BigIntStats): boolean =>
    named.lookUp(path, stats) === 'confirmed' ||
    // Where closes are reported, a file that was written again is named by that, whatever its times.
    ((watcher.exact || isMarked(stats)) && unmoved.lookUp(path, { ...stats, ctimeNs: 0n }) === 'confirmed');
  const nameNew = (path: Name, stats: BigIntStats): Promise<void> | undefined =>
    isNamed(path, stats) ? undefined : nameOnce(path, stats);
  const nameClosed = async (): Promise<void> => {
    for (const path of closed) {
      closed.delete(path);
      const stats = lstatSync(fsPath(`${directory}/${path}`), { bigint: true, throwIfNoEntry: false });
      if (stats?.isFile() === true && !isMarker(path) && !isExcluded(path)) await nameOnce(path, stats);
    }
  };
  /** How many files are not complete yet. */
  const nameListed = async (closedBy: ClosedBy | null): Promise<number> => {
    const { heldBack } = await listDirectory(
      { directory: { name: basename(directory) }, closedBy },
      named,
      { root: dirname(directory), isExcluded, settleMs, openFiles, trustMarks: false },
      {
        ready: nameNew,
        claimed: nameNew,
        heldBack: () => undefined,
        skipped: () => undefined,
        unreadable: () => undefined,
      },
    );
    return heldBack;
  };

  await using tree = watcher.watchTree(directory, isExcluded, hear);
  await tree.ready;
  while (!signal.aborted && !state.isGone) {
    const woken = new Promise<void>((resolve) => {
      state.wake = resolve;
    });
    await nameClosed();
    const isClosed = lstatSync(fsPath(`${directory}/${FINISHED_PARSE}`), { throwIfNoEntry: false }) !== undefined;
    const heldBack = await nameListed(isClosed ? 'parser' : null);
    if (isClosed && heldBack === 0 && closed.size === 0) return;
    const awake = new AbortController();
    const ends = AbortSignal.any([signal, awake.signal]);
    const pause = delay(heldBack > 0 ? settleMs : rescanMs, undefined, { signal: ends }).catch(() => undefined);
    await Promise.race([woken, pause]);
    awake.abort(); // A timer that is left would hold the process.
  }
};
