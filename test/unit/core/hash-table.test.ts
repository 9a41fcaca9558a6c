import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HashTable } from '../../../src/core/hash-table.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const entry = fc.tuple(u32, u32, u32, u32);

it('holds the last value of each key, and nothing else, however it has grown', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 3000 }), fc.array(entry), (added, others) => {
      const table = new HashTable({ values: true });
      const known = new Map<string, string>();
      const keyOf = (a: number, b: number): string => `${a}:${(b | 1) >>> 0}`;
      for (const [a, b, c, d] of added) {
        table.set(a, b, c, d);
        known.set(keyOf(a, b), `${c}:${d}`);
      }
      expect(table.size).toBe(known.size);
      for (const [a, b, c, d] of [...added, ...others]) {
        const value = known.get(keyOf(a, b));
        expect(table.has(a, b)).toBe(value !== undefined);
        expect(table.holds(a, b, c, d)).toBe(value === undefined ? undefined : value === `${c}:${d}`);
      }
    }),
    { numRuns: 20 },
  );
});

it('is a set of keys where no values are asked for', () => {
  const set = new HashTable({ values: false });
  for (let key = 0; key < 5000; key += 2) set.set(key, key);
  expect(Array.from({ length: 5000 }, (_, key) => key).filter((key) => set.has(key, key) !== (key % 2 === 0))).toEqual(
    [],
  );
});
