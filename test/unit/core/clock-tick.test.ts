import { expect, it } from 'vitest';
import { tickLeftMs } from '../../../src/core/clock-tick.ts';

const SECOND = 1_700_000_000_000;
const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n;

it.each<[string, bigint, number, number, number?]>([
  ['a fine clock, just stamped', ns(SECOND + 123), SECOND + 123, 10],
  ['a fine clock, within its tick', ns(SECOND + 123), SECOND + 130, 3],
  ['a fine clock, after its tick', ns(SECOND + 123), SECOND + 133, 0],
  ['whole seconds, just stamped', ns(SECOND), SECOND, 1010],
  ['whole seconds, late in the second', ns(SECOND), SECOND + 999, 11],
  ['whole seconds, while the kernel may still stamp the second', ns(SECOND), SECOND + 1003, 7],
  ['whole seconds, after the second', ns(SECOND), SECOND + 1010, 0],
  ['whole seconds, whatever the fine tick', ns(SECOND), SECOND + 999, 11, 0],
  ['a fine clock that tells any two changes apart', ns(SECOND + 123), SECOND + 123, 0, 0],
  ['a time in the future says nothing', ns(SECOND + 5000), SECOND, 0],
])('%s', (_title, ctimeNs, nowMs, leftMs, fineMs) => {
  expect(tickLeftMs(ctimeNs, nowMs, fineMs)).toBe(leftMs);
});
