import { describe, expect, it } from 'vitest';
import { simulate, type Scale } from '../../bench/scale/simulate.ts';
import { createRandom } from '../support/producers.ts';

const run = (more: Partial<Scale> & { readonly seed?: number; readonly isJittered?: boolean } = {}) => {
  const { seed = 1, isJittered = true, ...scale } = more;
  const random = createRandom(seed);
  return simulate({
    sites: 300,
    collector: { cores: 2, loginMs: 50, fileMs: 0.2, maxStartups: { start: 10, percent: 30, full: 100 } },
    outageMs: 600_000,
    filesWaiting: 1000,
    retry: { firstMs: 1000, mostMs: 60_000, hold: 5 },
    handshakeMs: 20_000,
    limitMs: 7_200_000,
    jitter: isJittered ? random.next : () => 1,
    random: random.next,
    ...scale,
  });
};

describe('many sites and one collector, simulated', () => {
  it('gives the same for the same seed, and something else for another', () => {
    expect(run()).toEqual(run());
    expect(run()).not.toEqual(run({ seed: 2 }));
  });

  it('takes as long as the work does where nobody is in the way', () => {
    const one = run({ sites: 1, isJittered: false, filesWaiting: 10_000 });
    expect(one).toMatchObject({ attemptsInASecond: 1, refused: 0, givenUp: 0 });
    expect(one.caughtUpMs - one.loggedInMs).toBeCloseTo(2000);
  });

  it('spreads the attempts by the jitter of the back-off', () => {
    const [full, none] = [run(), run({ isJittered: false })];
    expect(none.attemptsInASecond).toBe(300);
    expect(full.attemptsInASecond).toBeLessThan(30);
    expect(full.refused).toBeLessThan(none.refused);
    expect(full.caughtUpMs).toBeLessThan(none.caughtUpMs);
  });

  it('never ends where more log in at once than are done before they give up', () => {
    const collector = {
      cores: 2,
      loginMs: 50,
      fileMs: 0.2,
      maxStartups: { start: Infinity, percent: 0, full: Infinity },
    };
    expect(run({ sites: 1000, isJittered: false, collector })).toMatchObject({
      loginsInASecond: 0,
      caughtUpMs: Infinity,
    });
  });
});
