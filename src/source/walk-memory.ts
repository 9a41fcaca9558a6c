import type { Entry } from './scanner.ts';

/** What one walk saw, for who would walk the same way at once again. */
export interface WalkMemory {
  readonly note: (entry: Entry) => void;
  /** All of it, once; undefined where there was no walk, or more than is kept. */
  take(): readonly Entry[] | undefined;
}

/** Some megabytes at most. */
const MOST_KEPT = 4096;

export const createWalkMemory = (): WalkMemory => {
  let entries: Entry[] = [];
  return {
    note: (entry) => {
      if (entries.length <= MOST_KEPT) entries.push(entry);
    },
    take: () => {
      const all = entries;
      entries = [];
      return all.length > 0 && all.length <= MOST_KEPT ? all : undefined;
    },
  };
};
