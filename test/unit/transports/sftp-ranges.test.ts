import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bytesOf, gapsIn, joined, largest } from '../../../src/transports/sftp/ranges.ts';

const SIZE = 40;
const ranges = fc
  .array(fc.tuple(fc.nat(SIZE), fc.nat(SIZE)), { maxLength: 8 })
  .map((pairs) => pairs.map(([start, end]) => ({ start, end })).toSorted((a, b) => a.start - b.start));

const bytesIn = (list: readonly { readonly start: number; readonly end: number }[]): number[] =>
  Array.from({ length: SIZE }, (_, at) => at).filter((at) => list.some(({ start, end }) => start <= at && at < end));

it('joined ranges have the same bytes, in their order, and do not touch', () => {
  fc.assert(
    fc.property(ranges, (list) => {
      const result = joined(list);
      expect(bytesIn(result)).toEqual(bytesIn(list));
      expect(bytesOf(result)).toBe(bytesIn(list).length);
      for (const [at, { start, end }] of result.entries()) {
        expect(start).toBeLessThan(end);
        if (at > 0) expect(start).toBeGreaterThan(result[at - 1]?.end ?? 0);
      }
    }),
  );
});

it('the gaps are the other bytes, up to the size', () => {
  fc.assert(
    fc.property(ranges, fc.nat(SIZE), (list, size) => {
      const there = new Set(bytesIn(list));
      const others = Array.from({ length: size }, (_, at) => at).filter((at) => !there.has(at));
      expect(bytesIn(gapsIn(joined(list), size))).toEqual(others);
    }),
  );
});

it('the largest ones stay in their order', () => {
  const list = [3, 1, 5, 2].map((length, at) => ({ start: at * 10, end: at * 10 + length }));
  expect(largest(list, 2)).toEqual([list[0], list[2]]);
  expect(largest(list, 4)).toBe(list);
});
