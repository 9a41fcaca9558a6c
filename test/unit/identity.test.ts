import { expect, it } from 'vitest';
import { wholeSeconds } from '../../src/identity.ts';

it.each([
  [0n, 0],
  [999_999_999n, 0],
  [1_000_000_000n, 1],
  [1_700_000_000_750_000_000n, 1_700_000_000],
  [-1n, -1],
  [-1_000_000_000n, -1],
  [-1_000_000_001n, -2],
])('%d ns are in second %d', (ns, seconds) => {
  expect(wholeSeconds(ns)).toBe(seconds);
});
