import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatBytes, formatDuration, parseBandwidth, parseBytes, parseDurationMs } from '../../../src/core/units.ts';

it.each([
  ['250ms', 250],
  ['2s', 2000],
  ['30 s', 30_000],
  ['1m', 60_000],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
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
  [`${'9'.repeat(400)}h`, undefined],
])('duration %s', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

it.each([
  ['20MB/s', 20 * 2 ** 20],
  ['20 mb / s', 20 * 2 ** 20],
  ['512kB', 512 * 1024],
  ['1.5GB/s', 1.5 * 2 ** 30],
  ['20', undefined],
  ['0MB/s', undefined],
  ['20MB/m', undefined],
  ['-1MB', undefined],
  ['/s', undefined],
])('bandwidth %s', (text, bytesPerSecond) => {
  expect(parseBandwidth(text)).toBe(bytesPerSecond);
});

it('sizes', () => {
  expect(parseBytes('0B')).toBe(0);
  expect(parseBytes('2 kB')).toBe(2048);
  expect(parseBytes('2kB/s')).toBeUndefined();
  expect([0, 1023, 1536, 2 ** 30].map(formatBytes)).toEqual(['0 B', '1023 B', '1.5 KB', '1 GB']);
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

it('takes any text without a throw, and gives no number that is not one', () => {
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[\d.smhd \-+]*$/), (text, near) => {
      for (const one of [text, near])
        for (const parsed of [parseDurationMs(one), parseBytes(one), parseBandwidth(one)])
          expect(parsed === undefined || (Number.isFinite(parsed) && parsed >= 0)).toBe(true);
    }),
  );
});
