import { isMarked } from '../marks/mark.ts';
import type { Name } from '../name.ts';
import type { FileState } from '../marks/record-hash.ts';
import { unreadableIn } from '../source/directory-failures.ts';
import { walk, type IsExcluded } from '../source/scanner.ts';

/** Does this marked file count as sent? contract.md §3. */
export type CountsAsSent = (state: FileState, path: Name) => boolean;

export interface DirectoryCount {
  readonly files: number;
  readonly bytes: number;
  readonly sent: number;
  readonly sentBytes: number;
  readonly skipped: number;
  readonly excluded: number;
  /** The first few names that are reserved for isocket, if any. */
  readonly reserved?: readonly Name[];
  readonly oldestUnsentSeconds: number | null;
  /** The first name that the disk does not let us read, with its reason. */
  readonly unreadable?: string;
}

const RESERVED_NAMED = 3;

/** Counts a directory by one listing; read-only. */
export const countDirectory = (
  directoryPath: Name,
  isExcluded: IsExcluded,
  countsAsSent: CountsAsSent,
  nowMs: number,
): DirectoryCount => {
  let [files, bytes, sent, sentBytes, skipped, excluded] = [0, 0, 0, 0, 0, 0];
  const reserved: Name[] = [];
  let oldestNs: bigint | undefined;
  let unreadable: string | undefined;
  for (const entry of walk(directoryPath, isExcluded)) {
    if (entry.kind === 'skipped') {
      if (entry.why === 'excluded') excluded += 1;
      else skipped += 1;
    }
    if (entry.kind === 'reserved') {
      files += 1;
      if (reserved.length < RESERVED_NAMED) reserved.push(entry.path);
    }
    if (entry.kind === 'unreadable') unreadable ??= unreadableIn(entry).message;
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
  const named = { ...(reserved.length > 0 ? { reserved } : {}), ...(unreadable === undefined ? {} : { unreadable }) };
  return { files, bytes, sent, sentBytes, skipped, excluded, ...named, oldestUnsentSeconds };
};
