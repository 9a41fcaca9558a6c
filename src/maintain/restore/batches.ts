import type { Wanted } from './batch.ts';

const FILES_A_BATCH = 2048;
const BYTES_A_BATCH = 64 * 1024 * 1024;

/** Pure. Files that get their names together: so much is fetched once more, at most, where the last of them is cut off; a larger one is by itself. */
export function* batchesOf(files: readonly Wanted[]): Generator<readonly Wanted[]> {
  let batch: Wanted[] = [];
  let bytes = 0;
  for (const wanted of files) {
    if (batch.length === FILES_A_BATCH || (batch.length > 0 && bytes + wanted.entry.size > BYTES_A_BATCH)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(wanted);
    bytes += wanted.entry.size;
  }
  if (batch.length > 0) yield batch;
}
