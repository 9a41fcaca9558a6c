import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StepRing } from '../../../src/core/step-ring.ts';

describe('a ring of steps', () => {
  it('sums by steps, forgets what is older, and begins empty', () => {
    const ring = new StepRing(10, 3, 105);
    expect(ring.past(105)).toEqual([0, 0, 0]);
    ring.add(1, 109);
    ring.add(2, 109);
    ring.add(4, 110);
    expect([ring.past(110), ring.total(110)]).toEqual([[0, 0, 3], 7]);
    expect([ring.past(125), ring.total(125)]).toEqual([[0, 3, 4], 7]);
    expect([ring.past(149), ring.total(149)]).toEqual([[4, 0, 0], 4]);
    expect([ring.past(1000), ring.total(1000)]).toEqual([[0, 0, 0], 0]);
  });

  it('a step of which nothing was told has the figure that stands for that', () => {
    const ring = new StepRing(10, 3, 0, NaN);
    ring.set(7, 5);
    ring.set(8, 6);
    expect(ring.past(29)).toEqual([NaN, 8, NaN]);
  });

  it('has the sums of a list that is never forgotten', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(9))), fc.integer({ min: 1, max: 7 }), (adds, steps) => {
        const ring = new StepRing(10, steps, 0);
        const sums = new Map<number, number>();
        let nowMs = 0;
        for (const [waitMs, amount] of adds) {
          nowMs += waitMs;
          ring.add(amount, nowMs);
          const step = Math.floor(nowMs / 10);
          sums.set(step, (sums.get(step) ?? 0) + amount);
        }
        const last = Math.floor(nowMs / 10);
        const expected = Array.from({ length: steps }, (_none, index) => sums.get(last - steps + index) ?? 0);
        expect(ring.past(nowMs)).toEqual(expected);
        expect(ring.total(nowMs)).toBe(expected.reduce((sum, one) => sum + one, sums.get(last) ?? 0));
      }),
    );
  });
});
