import { describe, expect, it } from 'vitest';
import { createServer, connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { retransmitMs } from '../../../src/ssh/program/latency.ts';
import { Batcher } from '../../../src/transports/rsync/batcher.ts';
import { isLowLatency, keepsLockstep } from '../../../src/transports/rsync/lockstep.ts';
import { FIRST_WEIGHT, nextWeight, weightOf } from '../../../src/transports/rsync/run-size.ts';

const MIB = 1024 * 1024;

describe('the weight limit of the next run', () => {
  const full = { weight: 80 * MIB, ms: 3_000, connectionLost: false };
  it.each([
    ['stays after a run of a few seconds', 80, full, 80],
    ['doubles after a short full run', 80, { ...full, ms: 500 }, 160],
    ['stays after a short run that was not full', 80, { ...full, weight: MIB, ms: 500 }, 80],
    ['halves after a long run', 80, { ...full, ms: 9_000 }, 40],
    ['shrinks after a lost connection, however short the run was', 80, { ...full, ms: 100, connectionLost: true }, 20],
    ['has a lower bound', 2, { ...full, connectionLost: true }, 1],
    ['has an upper bound', 1024, { ...full, weight: 1024 * MIB, ms: 100 }, 1024],
  ])('%s', (_title, before, run, after) => expect(nextWeight(before * MIB, run)).toBe(after * MIB));

  it('is down to a few files after some lost connections, so that an unstable connection makes progress', () => {
    let weight = FIRST_WEIGHT;
    for (let failures = 0; failures < 4; failures += 1)
      weight = nextWeight(weight, { weight, ms: 60_000, connectionLost: true });
    expect(weight / weightOf(4096n)).toBeLessThan(64);
  });
});

describe('lockstep', () => {
  it.each([
    ['one machine room', { loginMs: 210, retransmitMs: 200 }, true],
    ['a town away', { loginMs: 290, retransmitMs: 210 }, false],
    ['far away, behind a proxy nearby', { loginMs: 750, retransmitMs: 200 }, false],
    ['through a proxy command', { loginMs: 210, retransmitMs: undefined }, false],
  ])('%s', (_title, latency, isLow) => expect(isLowLatency(latency)).toBe(isLow));

  it.each([
    ['one file, at once', 1, 150, true],
    ['a full run, as quick as the disk', 4096, 2_000, true],
    ['a full run, ten files a round trip of 30 ms', 4096, 12_300, false],
    ['one file, after ten round trips', 1, 400, false],
  ])('%s', (_title, files, ms, keeps) => expect(keepsLockstep(files, ms)).toBe(keeps));

  it('reads the retransmission timeout from the kernel: 200 ms on one machine, or some more on a busy one', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    try {
      await once(client, 'connect');
      expect(retransmitMs(process.pid)).toBeGreaterThanOrEqual(200);
      expect(retransmitMs(process.pid)).toBeLessThan(1_000);
    } finally {
      client.destroy();
      server.close();
    }
  });

  it('has no timeout of a process that has ended', () => expect(retransmitMs(2 ** 22 + 1)).toBeUndefined());
});

/** A batcher whose runs end when the test says so. */
const batchSizes = (options: { readonly weights: number; readonly slots: () => number }) => {
  const started: number[][] = [];
  const ends: (() => void)[] = [];
  const batcher = new Batcher<number>({
    maxItems: 8,
    weigh: (item) => item,
    maxWeight: () => options.weights,
    slots: options.slots,
    run: (batch) => {
      started.push([...batch]);
      return new Promise((resolve) => ends.push(() => resolve([])));
    },
  });
  return { batcher, started, ends };
};

describe('batcher', () => {
  it('fills a batch to its weight, runs a heavier item alone, and the rest when a batch ends', async () => {
    const { batcher, started, ends } = batchSizes({ weights: 10, slots: () => 2 });
    for (const item of [3, 4, 2, 50, 6, 1]) batcher.add(item);
    expect(started).toEqual([[3, 4, 2], [50]]);
    ends[0]?.();
    await expect.poll(() => started.at(-1)).toEqual([6, 1]);
  });

  it('puts items that come before there is a slot into one batch', () => {
    let slots = 0;
    const { batcher, started } = batchSizes({ weights: 100, slots: () => slots });
    for (const item of [1, 2, 3]) batcher.add(item);
    batcher.wake();
    expect(started).toEqual([]);
    slots = 1;
    batcher.wake();
    expect(started).toEqual([[1, 2, 3]]);
  });

  it('starts no batch below the minimum fill beside a running one', async () => {
    const { batcher, started, ends } = batchSizes({ weights: 100, slots: () => 3 });
    for (const item of [60, 50, 20]) batcher.add(item);
    expect(started).toEqual([[60], [50]]);
    ends[0]?.();
    ends[1]?.();
    await expect.poll(() => started.at(-1)).toEqual([20]);
  });

  it('starts any batch beside an item that is heavier than one, and leaves a slot for it', async () => {
    const { batcher, started, ends } = batchSizes({ weights: 10, slots: () => 3 });
    for (const item of [50, 60, 70]) batcher.add(item);
    expect(started).toEqual([[50], [60]]);
    batcher.add(1);
    await expect.poll(() => started.at(-1)).toEqual([1]);
    ends[2]?.();
    batcher.add(2);
    await expect.poll(() => started.at(-1)).toEqual([2]);
    ends[0]?.();
    await expect.poll(() => started.at(-1)).toEqual([70]);
  });
});
