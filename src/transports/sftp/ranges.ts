/** Bytes of a file, `end` excluded. Lists of them are in their order, and do not touch. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export const bytesOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);

/** Of ranges that may be empty, touch or overlap, ordered by their start. */
export const joined = (ranges: readonly Range[]): readonly Range[] => {
  const result: Range[] = [];
  for (const range of ranges) {
    if (range.start >= range.end) continue;
    const last = result.at(-1);
    if (last === undefined || last.end < range.start) result.push(range);
    else if (last.end < range.end) result[result.length - 1] = { start: last.start, end: range.end };
  }
  return result;
};

/** What these leave of a file of that size. */
export const gapsIn = (ranges: readonly Range[], size: number): readonly Range[] => {
  const starts = [0, ...ranges.map(({ end }) => end)];
  const ends = [...ranges.map(({ start }) => start), size];
  return joined(starts.map((start, index) => ({ start, end: Math.min(ends[index] ?? size, size) })));
};

/** The largest of them. */
export const largest = (ranges: readonly Range[], most: number): readonly Range[] =>
  ranges.length <= most
    ? ranges
    : ranges
        .toSorted((a, b) => b.end - b.start - (a.end - a.start))
        .slice(0, most)
        .toSorted((a, b) => a.start - b.start);
