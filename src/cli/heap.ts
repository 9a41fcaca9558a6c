import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Smaller, and the collector looks at what is under way again and again; larger, and nothing is gained. */
const YOUNG_BYTES = 16 * 1024 * 1024;

/**
 * Holds the heap near what is in use. Each file leaves litter of some kilobytes, and V8, left alone on a large machine, lets it grow to
 * 200 MB before it cleans up. The space for what is new doubles until it has its size, and then no more: V8 takes a size for it only
 * from the command line.
 */
export const keepHeapSmall = (): void => {
  setFlagsFromString('--heap-growing-percent=20'); // What is older is cleaned up when it has grown by a fifth.
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    if (young !== undefined && young.space_size < YOUNG_BYTES) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
};
