import { afterEach, expect, it, vi } from 'vitest';
import { ByteFlow } from '../../../../src/status/live/byte-flow.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('tells bytes of a big file as they arrive, each once, and those of an earlier attempt not at all', () => {
  vi.useFakeTimers();
  const underWay = new Map<string, number>();
  const told: number[] = [];
  using flow = new ByteFlow({ underWay: () => underWay, moved: (bytes) => told.push(bytes) });
  const after = (...files: readonly (readonly [string, number])[]): number[] => {
    underWay.clear();
    for (const [path, bytes] of files) underWay.set(path, bytes);
    vi.advanceTimersByTime(1000);
    return told.splice(0);
  };
  expect(after()).toEqual([]);
  expect(after(['DC1/resumed', 700])).toEqual([]);
  expect(after(['DC1/resumed', 750], ['DC1/big', 0])).toEqual([50]);
  expect(after(['DC1/resumed', 750], ['DC1/big', 400])).toEqual([400]);
  // It starts over: what was told is not told again.
  expect(after(['DC1/big', 100])).toEqual([]);
  expect(after(['DC1/big', 500])).toEqual([100]);
  flow.note({ type: 'sent', path: 'DC1/big', bytes: 1000 });
  flow.note({ type: 'sent', path: 'DC1/small', bytes: 10 });
  flow.note({ type: 'sent', path: 'DC1/resumed', bytes: 1000 });
  expect(told).toEqual([500, 10, 250]);
});
