import { describe, expect, it } from 'vitest';
import { secondsLeft, Throughput } from '../../../../src/status/live/throughput.ts';

const sent = (bytes: number) => ({ type: 'sent', path: 'DC1/file', bytes }) as const;

describe('throughput', () => {
  it('is that of the last minute, or since the start', () => {
    const throughput = new Throughput(0);
    for (let second = 0; second < 10; second += 1) {
      throughput.note(sent(1000), second * 1000);
      throughput.moved(1000, second * 1000);
    }
    expect(throughput.at(10_000)).toEqual({ files: 10, bytes: 10_000, filesPerSecond: 1, bytesPerSecond: 1000 });
    expect(throughput.at(60_000)).toMatchObject({ files: 10, filesPerSecond: 0.2 });
    expect(throughput.at(200_000)).toEqual({ files: 10, bytes: 10_000, filesPerSecond: 0, bytesPerSecond: 0 });
  });

  it('counts nothing but what was sent', () => {
    const throughput = new Throughput(0);
    throughput.note({ type: 'found', directory: 'DC1', files: 3, bytes: 3000 }, 1);
    expect(throughput.at(1000).files).toBe(0);
  });
});

describe('time left', () => {
  it.each([
    ['nothing is left', { files: 0, bytes: 0 }, { filesPerSecond: 0, bytesPerSecond: 0 }, 0],
    ['no rate is known', { files: 1, bytes: 10 }, undefined, null],
    ['nothing moves', { files: 1, bytes: 10 }, { filesPerSecond: 0, bytesPerSecond: 0 }, null],
    ['files are small', { files: 1000, bytes: 1000 }, { filesPerSecond: 10, bytesPerSecond: 1e6 }, 100],
    ['files are big', { files: 1, bytes: 1e9 }, { filesPerSecond: 10, bytesPerSecond: 1e6 }, 1000],
    ['files are empty', { files: 10, bytes: 0 }, { filesPerSecond: 10, bytesPerSecond: 0 }, 1],
    ['one big file goes, and none is done', { files: 1, bytes: 1e9 }, { filesPerSecond: 0, bytesPerSecond: 1e6 }, 1000],
    ['only empty ones were sent', { files: 10, bytes: 10 }, { filesPerSecond: 10, bytesPerSecond: 0 }, null],
  ])('%s', (_why, unsent, rate, seconds) => {
    expect(secondsLeft(unsent, rate)).toBe(seconds);
  });
});
