import { expect, it } from 'vitest';
import { timeResolution, timeResolutionLine } from '../../../src/check/time-resolution.ts';

const S = 1_000_000_000n;
const MS = 1_000_000n;
const FINE = 1_000_000_001n * S + 987_654_000n;

it.each([
  ['FAT', 1_000_000_000n * S, [], 2n * S],
  ['ext4 with 128-byte inodes', 1_000_000_001n * S, [5n * S], S],
  ['exFAT', 1_000_000_001n * S + 980n * MS, [0n, 20n * MS, 30n * MS], 10n * MS],
  ['a tick of 4 ms', FINE, [0n, 4n * MS], 4n * MS],
  ['a tick of 4 ms on a busy host', FINE, [0n, 24n * MS, 28n * MS], 4n * MS],
  ['a tick of 15 ms', FINE, [0n, 15n * MS, 30n * MS], 15n * MS],
  ['times from the clock itself', FINE, [0n, 20_000n], 20_000n],
  ['no second time within the sample', FINE, [7n], undefined],
  ['a clock that is set back', FINE, [90n * MS, 0n, 4n * MS], 4n * MS],
])('%s', (_what, stored, changes, expected) => expect(timeResolution({ stored, changes })).toBe(expected));

it.each([
  [20_000n, 'ok', 'file times: less than 1 ms'],
  [4n * MS, 'ok', 'file times: 4 ms'],
  [10n * MS + 40_000n, 'ok', 'file times: 10 ms'],
  [15n * MS, 'warning', 'file times: 15 ms:'],
  [S, 'warning', 'file times: 1 s:'],
  [undefined, 'warning', 'file times: more than 200 ms:'],
])('%s ns: %s', (resolution, state, message) => {
  const line = timeResolutionLine(resolution);
  expect(line.state).toBe(state);
  expect(line.message).toContain(message);
});
