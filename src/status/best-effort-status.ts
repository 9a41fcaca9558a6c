import type { BestEffortState } from '../marks/best-effort.ts';
import type { BestEffortStatus, DirectoryStatus } from './site-status.ts';

/** How each best-effort destination stands, by what the proofs name and what was noted when it was tried. Pure. */
export const bestEffortStatus = (
  labels: readonly string[],
  directories: readonly Pick<DirectoryStatus, 'name' | 'notAt'>[],
  known: ReadonlyMap<string, BestEffortState>,
): BestEffortStatus[] =>
  labels.map((destination) => {
    const lacking = directories.filter(({ notAt }) => notAt?.includes(destination) === true);
    const { down = null, isUp = false, waiting = [] } = known.get(destination) ?? {};
    const [behind, wanted] = [lacking.length, new Set(waiting)];
    const counts = { destination, behind, waiting: lacking.filter(({ name }) => wanted.has(name)).length };
    if (down !== null) return { ...counts, state: 'down', message: down.message, since: down.since };
    return { ...counts, state: isUp ? 'up' : null };
  });
