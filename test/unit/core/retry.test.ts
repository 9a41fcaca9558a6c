import fc from 'fast-check';
import { expect, it } from 'vitest';
import { delayBefore } from '../../../src/core/retry.ts';

const retry = { firstMs: 1000, mostMs: 60_000, hold: 5 };

it.each([
  [1, 1000],
  [2, 2000],
  [6, 32_000],
  [7, 60_000],
  [2000, 60_000],
])('after %i failures waits at most %i ms', (failures, most) => {
  expect(delayBefore(failures, retry, () => 1)).toBe(most);
  expect(delayBefore(failures, retry, () => 0)).toBe(0);
});

it('spreads over the whole time (full jitter)', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
      expect(delayBefore(failures, retry, () => random)).toBeCloseTo(random * delayBefore(failures, retry, () => 1));
    }),
  );
});
