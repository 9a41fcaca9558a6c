import { describe, expect, it } from 'vitest';
import { createServer, connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { resendMs } from '../../../src/ssh/program/latency.ts';
import { createGatherer } from '../../../src/transports/rsync/batcher.ts';
import { isShortLine, keepsStep } from '../../../src/transports/rsync/lockstep.ts';
import { FIRST_WEIGHT, nextWeight, weightOf } from '../../../src/transports/rsync/run-size.ts';

const MIB = 1024 * 1024;

describe('how much a run takes', () => {
  const full = { weight: 80 * MIB, ms: 3_000, failed: false };
  it.each([
    ['stays where a run takes a few seconds', 80, full, 80],
    ['grows where full ones end at once', 80, { ...full, ms: 500 }, 160],
    ['learns nothing of a small one', 80, { ...full, weight: MIB, ms: 500 }, 80],
    ['shrinks where one is long', 80, { ...full, ms: 9_000 }, 40],
    ['shrinks where the line fails, however short it was', 80, { ...full, ms: 100, failed: true }, 20],
    ['never to nothing', 2, { ...full, failed: true }, 1],
    ['never without end', 1024, { ...full, weight: 1024 * MIB, ms: 100 }, 1024],
  ])('%s', (_title, before, run, after) => expect(nextWeight(before * MIB, run)).toBe(after * MIB));

  it('a line that fails again and again gets through in the end: a run is down to a few files after some failures', () => {
    let weight = FIRST_WEIGHT;
    for (let failures = 0; failures < 4; failures += 1)
      weight = nextWeight(weight, { weight, ms: 60_000, failed: true });
    expect(weight / weightOf(4096n)).toBeLessThan(64);
  });
});

describe('going in step', () => {
  it.each([
    ['in one room', { loginMs: 210, resendMs: 200 }, true],
    ['a town away', { loginMs: 290, resendMs: 210 }, false],
    ['at the other side of the world, with a proxy beside us', { loginMs: 750, resendMs: 200 }, false],
    ['through a proxy command', { loginMs: 210, resendMs: undefined }, false],
  ])('%s', (_title, line, short) => expect(isShortLine(line)).toBe(short));

  it.each([
    ['one file, at once', 1, 150, true],
    ['a full run, as quick as the disk', 4096, 2_000, true],
    ['a full run, ten files a round trip of 30 ms', 4096, 12_300, false],
    ['one file, after ten round trips', 1, 400, false],
  ])('%s', (_title, files, ms, keeps) => expect(keepsStep(files, ms)).toBe(keeps));

  it('reads from the kernel when it would send again: on one machine after 200 ms, or some more on a busy one', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    try {
      await once(client, 'connect');
      expect(resendMs(process.pid)).toBeGreaterThanOrEqual(200);
      expect(resendMs(process.pid)).toBeLessThan(1_000);
    } finally {
      client.destroy();
      server.close();
    }
  });

  it('knows nothing of a process that is gone', () => expect(resendMs(2 ** 22 + 1)).toBeUndefined());
});

/** Runs that end when they are told to. */
const gatherSizes = (options: { readonly weights: number; readonly places: () => number }) => {
  const started: number[][] = [];
  const ends: (() => void)[] = [];
  const gatherer = createGatherer<number>({
    most: 8,
    weigh: (item) => item,
    mostWeight: () => options.weights,
    places: options.places,
    run: (batch) => {
      started.push([...batch]);
      return new Promise((resolve) => ends.push(() => resolve([])));
    },
  });
  return { gatherer, started, ends };
};

describe('gathering', () => {
  it('fills a batch to its weight, sends a heavier item alone, and what is left goes when one ends', async () => {
    const { gatherer, started, ends } = gatherSizes({ weights: 10, places: () => 2 });
    for (const item of [3, 4, 2, 50, 6, 1]) gatherer.add(item);
    expect(started).toEqual([[3, 4, 2], [50]]);
    ends[0]?.();
    await expect.poll(() => started.at(-1)).toEqual([6, 1]);
  });

  it('lets what comes before there is a place leave together', () => {
    let places = 0;
    const { gatherer, started } = gatherSizes({ weights: 100, places: () => places });
    for (const item of [1, 2, 3]) gatherer.add(item);
    gatherer.wake();
    expect(started).toEqual([]);
    places = 1;
    gatherer.wake();
    expect(started).toEqual([[1, 2, 3]]);
  });

  it('starts none beside another one that is not worth it', async () => {
    const { gatherer, started, ends } = gatherSizes({ weights: 100, places: () => 3 });
    for (const item of [60, 50, 20]) gatherer.add(item);
    expect(started).toEqual([[60], [50]]);
    ends[0]?.();
    ends[1]?.();
    await expect.poll(() => started.at(-1)).toEqual([20]);
  });
});
