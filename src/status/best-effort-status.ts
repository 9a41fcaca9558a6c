import type { BestEffortState } from '../marks/best-effort.ts';
import type { BestEffortStatus, DirectoryStatus } from './site-status.ts';

/** How each best-effort destination stands, by what the proofs name and what was noted when it was tried. Pure. */
export const bestEffortStatus = (
  labels: readonly string[],
  directories: readonly Pick<DirectoryStatus, 'notAt'>[],
  known: ReadonlyMap<string, BestEffortState>,
): BestEffortStatus[] =>
  labels.map((destination) => {
    const behind = directories.filter(({ notAt }) => notAt?.includes(destination) === true).length;
    const { down = null, isUp = false } = known.get(destination) ?? {};
    if (down !== null) return { destination, behind, state: 'down', message: down.message, since: down.since };
    return { destination, behind, state: isUp ? 'up' : null };
  });
