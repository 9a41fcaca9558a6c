import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatBytes, formatDuration, parseBytes, parseDurationMs } from '../../../src/core/units.ts';

it.each([
  ['250ms', 250],
  ['2s', 2000],
  ['30 s', 30_000],
  ['1m', 60_000],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['3 Min 2SECS', 182_000],
  ['1w1day1hr1ms', 8 * 86_400_000 + 3_600_001],
  ['2 seconds', 2000],
  ['1.5ms', 1.5],
  ['30d', 30 * 86_400_000],
  ['0s', 0],
  ['2', undefined],
  ['', undefined],
  ['-2s', undefined],
  ['2s-1s', undefined],
  ['2s or so', undefined],
  ['1.2.3s', undefined],
  ['1m 30', undefined],
  ['1mo', undefined],
  ['1us', undefined],
  ['.5s', undefined],
  [`${'9'.repeat(400)}h`, undefined],
])('duration %s', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

it('sizes', () => {
  expect(parseBytes('0B')).toBe(0);
  expect(parseBytes('2 kB')).toBe(2048);
  expect(parseBytes('2\tkB')).toBe(2048);
  expect(parseBytes('1.7b')).toBe(1);
  expect(parseBytes('3 MiB')).toBe(3 * 2 ** 20);
  expect(parseBytes('3TB')).toBe(3 * 2 ** 40);
  expect(parseBytes('1PB')).toBeUndefined();
  expect(parseBytes(`${'9'.repeat(400)}MB`)).toBeUndefined();
  expect(parseBytes('2kB/s')).toBeUndefined();
  expect([0, 1023, 1536, 2 ** 30].map(formatBytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '1 GiB']);
  expect([2 ** 20 - 1, 15_005_123, 2 ** 60].map(formatBytes)).toEqual(['1024 KiB', '14.31 MiB', '1024 PiB']);
});

it.each([
  [0, '0.0 s'],
  [449, '0.4 s'],
  [59_949, '59.9 s'],
  [59_960, '1 m 0 s'],
  [200_000, '3 m 20 s'],
  [3_599_600, '1 h 0 m'],
  [7_500_000, '2 h 5 m'],
  [4.2 * 86_400_000, '4 d 4 h'],
])('%d ms is written %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

it('accepts any text without throwing, and returns finite numbers only', () => {
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[\d.smhd \-+]*$/), (text, near) => {
      for (const one of [text, near])
        for (const parsed of [parseDurationMs(one), parseBytes(one)])
          expect(parsed === undefined || (Number.isFinite(parsed) && parsed >= 0)).toBe(true);
    }),
  );
});
