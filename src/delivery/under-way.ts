import type { Name } from '../name.ts';
import type { Transport } from '../transport.ts';

/** How many bytes of each file that is being sent have arrived: as far as every destination that it goes to has it. */
export const underWayAt = (destinations: readonly Pick<Transport, 'underWay'>[]): Map<Name, number> => {
  const least = new Map<Name, number>();
  for (const { underWay } of destinations)
    for (const [path, bytes] of underWay?.() ?? []) least.set(path, Math.min(bytes, least.get(path) ?? Infinity));
  return least;
};

/** Of all of them together. */
export const partialBytesAt = (destinations: readonly Pick<Transport, 'underWay'>[]): number =>
  [...underWayAt(destinations).values()].reduce((sum, bytes) => sum + bytes, 0);
