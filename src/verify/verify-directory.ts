import type { BigIntStats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { createIsExcluded } from '../source/exclude.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import { isMarked } from '../marks/mark.ts';
import { heldBack } from '../core/readiness.ts';
import { unreadableIn } from '../source/directory-failures.ts';
import { walk, type Entry } from '../source/scanner.ts';
import type { Discrepancy, Transport, TransportError } from '../transport.ts';
import { Verification } from './verification.ts';
import type { OpenFilesView } from '../source/open-files.ts';

export interface VerifyOptions {
  readonly config: Config;
  readonly destinations: readonly Transport[];
  readonly writers: OpenFilesView;
  /** Compare content, not only size and mtime. */
  readonly checksum: boolean;
  readonly found: (discrepancy: Discrepancy, destination: string) => void;
  /** Called for each file that a destination does not let us compare. Without it none of the directory counts as compared. */
  readonly uncheckable?: (error: TransportError, destination: string) => void;
  readonly signal: AbortSignal;
}

const ENTRIES_A_TURN = 256;
const WRITERS_AGE_MS = 1000;

/**
 * Compares one directory with every destination: each of its files, sent or not, but those that are still being written.
 * Returns how many were compared. Whether a file is sent is no matter of marks here: only what is there counts.
 */
export const verifyDirectory = async (
  { directory, phase, closedBy }: DirectoryPlan,
  { config, destinations, writers, checksum, found, uncheckable, signal }: VerifyOptions,
): Promise<number> => {
  const { root, exclude, settleMs } = config.source;
  let checked = 0;
  const verification = new Verification({
    root,
    directory: directory.name,
    destinations,
    checksum,
    different: (discrepancy, _file, destination) => found(discrepancy, destination),
    ...(uncheckable === undefined
      ? {}
      : {
          uncheckable: (error: TransportError, destination: string) => {
            checked -= 1;
            uncheckable(error, destination);
          },
        }),
    signal,
  });
  const openFilesNow = writers(WRITERS_AGE_MS);
  const now = Date.now();
  const isBeingWritten = (stats: BigIntStats): boolean => {
    const quietMs = now - Number(stats.ctimeMs);
    const candidate = { closedByParser: closedBy === 'parser', quietMs, writer: openFilesNow.writerOf(stats) };
    return heldBack(candidate, settleMs) !== undefined;
  };
  let entries = 0;
  let unreadable: Extract<Entry, { kind: 'unreadable' }> | undefined;
  for (const entry of walk(`${root}/${directory.name}`, createIsExcluded(exclude))) {
    if ((entries += 1) % ENTRIES_A_TURN === 0) {
      await nextTurn();
      signal.throwIfAborted();
    }
    if (entry.kind === 'unreadable') unreadable ??= entry;
    if (entry.kind !== 'file') continue;
    const { path, stats } = entry;
    if (phase !== 'finished' && !isMarked(stats) && isBeingWritten(stats)) continue;
    checked += 1;
    const wait = verification.add({ path, size: stats.size, mtimeNs: stats.mtimeNs });
    if (wait !== undefined) await wait;
  }
  await verification.end();
  // All else is compared first.
  if (unreadable !== undefined) throw unreadableIn(unreadable);
  return checked;
};
