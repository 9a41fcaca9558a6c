import { isMarked } from '../marks/mark.ts';
import type { Name } from '../name.ts';
import type { FileState } from '../marks/record-hash.ts';
import { walk, type IsExcluded } from '../source/scanner.ts';

/** Does this marked file count as sent? contract.md §3. */
export type CountsAsSent = (state: FileState, path: Name) => boolean;

export interface DirectoryCount {
  readonly files: number;
  readonly bytes: number;
  readonly sent: number;
  readonly sentBytes: number;
  readonly skipped: number;
  readonly oldestUnsentSeconds: number | null;
}

/** Counts a directory by one listing; read-only. */
export const countDirectory = (
  directoryPath: Name,
  isExcluded: IsExcluded,
  countsAsSent: CountsAsSent,
  nowMs: number,
): DirectoryCount => {
  let [files, bytes, sent, sentBytes, skipped] = [0, 0, 0, 0, 0];
  let oldestNs: bigint | undefined;
  for (const entry of walk(directoryPath, isExcluded)) {
    if (entry.kind === 'skipped') skipped += 1;
    if (entry.kind !== 'file') continue;
    const { stats, path } = entry;
    const size = Number(stats.size);
    files += 1;
    bytes += size;
    if (isMarked(stats) && countsAsSent(stats, path)) {
      sent += 1;
      sentBytes += size;
    } else if (oldestNs === undefined || stats.ctimeNs < oldestNs) oldestNs = stats.ctimeNs;
  }
  const oldestUnsentSeconds =
    oldestNs === undefined ? null : Math.max(0, Math.round((nowMs - Number(oldestNs / 1_000_000n)) / 1000));
  return { files, bytes, sent, sentBytes, skipped, oldestUnsentSeconds };
};
