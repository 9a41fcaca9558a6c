import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseBandwidth, rateAt } from '../../../src/core/bandwidth.ts';

const MB = 2 ** 20;

it.each([
  ['20MB/s', 20 * MB],
  ['20 mb / s', 20 * MB],
  ['512kB', 512 * 1024],
  ['1.5GB/s', 1.5 * 2 ** 30],
  ['20', undefined],
  ['0MB/s', undefined],
  ['20MB/m', undefined],
  ['-1MB', undefined],
  ['/s', undefined],
  ['off', undefined],
  ['8:00', undefined],
  ['24:00 1MB/s', undefined],
  ['8:60 1MB/s', undefined],
  ['8:00 1MB/s,', undefined],
  ['8:00 1MB/s, 08:00 off', undefined],
  ['8:00 1MB/s 9:00 off', undefined],
  ['8:00 0MB/s', undefined],
  ['1MB/s, 8:00 off', undefined],
])('bandwidth %s', (text, bytesPerSecond) => {
  expect(parseBandwidth(text)).toBe(bytesPerSecond);
});

it.each([
  ['00:00', null],
  ['07:59', null],
  ['08:00', 20 * MB],
  ['11:59', 20 * MB],
  ['12:30', 40 * MB],
  ['18:59', 40 * MB],
  ['19:00', null],
  ['23:59', null],
])('a timetable at %s, whatever the order of its times', (time, rate) => {
  const now = new Date(`2026-03-01T${time}:30`);
  for (const text of ['08:00 20MB/s, 12:30 40MB/s, 19:00 off', '19:00 OFF,8:00 20 MB/s,12:30  40mb/s'])
    expect(rateAt(parseBandwidth(text) ?? null, now), text).toBe(rate);
});

it('one rate holds for all hours', () => {
  expect(rateAt(5, new Date())).toBe(5);
  expect(rateAt(null, new Date())).toBe(null);
  expect(rateAt(parseBandwidth('12:00 1MB/s') ?? null, new Date('2026-03-01T03:00'))).toBe(MB);
});

it('accepts any text without throwing', () => {
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[\d:,off MBkb/s]*$/), (text, near) => {
      for (const one of [text, near]) {
        const rate = rateAt(parseBandwidth(one) ?? null, new Date());
        expect(rate === null || (Number.isFinite(rate) && rate > 0)).toBe(true);
      }
    }),
  );
});
