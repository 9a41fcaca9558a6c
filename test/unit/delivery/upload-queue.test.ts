import { lstatSync, type BigIntStats } from 'node:fs';
import { expect, it } from 'vitest';
import { UploadQueue } from '../../../src/delivery/upload-queue.ts';
import { SourceClock } from '../../../src/source/file-clock.ts';
import { Sender } from '../../../src/delivery/sender.ts';
import { createMemoryRecord } from '../../../src/marks/record.ts';
import type { Transport } from '../../../src/transport.ts';

const { signal } = new AbortController();

const transport: Transport = {
  label: 'nowhere',
  inFlight: 4,
  send: () => Promise.resolve(),
  verify: () => Promise.resolve([]),
  tidy: () => Promise.resolve(),
  probe: () => {
    throw new Error('not probed');
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

const statsOf = (nlink: bigint): BigIntStats =>
  Object.assign(lstatSync(import.meta.filename, { bigint: true }), { nlink });

const queueWith = (sender: Sender): UploadQueue =>
  new UploadQueue({
    directory: 'DC1',
    record: createMemoryRecord(),
    signal,
    state: { lastChanges: new Map() },
    sender,
    isExcluded: () => false,
    isReserved: () => false,
    retry: { firstMs: 1, mostMs: 1, hold: 5 },
    counters: { sent: 0, bytes: 0, held: 0 },
    report: () => undefined,
  });

const senderThatStats = (stat: Sender['stat']): Sender => {
  const retry = { firstMs: 1, mostMs: 1, hold: 5 };
  const report = (): void => undefined;
  const sender = new Sender({
    root: '/',
    destinations: [transport],
    retry,
    retryMode: 'forever',
    clock: new SourceClock(),
    report,
    signal,
  });
  sender.stat = stat;
  return sender;
};

it('ends with a defect at the first of several closed files, and waits for none of the others', async () => {
  const queue = queueWith(
    senderThatStats(() => {
      throw new TypeError('a defect');
    }),
  );
  for (const path of ['a', 'b', 'c']) queue.close(path);
  await expect(queue.drain()).rejects.toThrow('in a way that it must not');
});

it('is drained for all who wait', async () => {
  const queue = queueWith(senderThatStats(() => undefined));
  queue.close('a');
  expect(await Promise.all([queue.drain(), queue.drain()])).toHaveLength(2);
});

it('sends a file with several names once more where our mark under another name changed it, and no third time', async () => {
  const sender = senderThatStats(() => statsOf(2n));
  let sends = 0;
  sender.send = () => {
    sends += 1;
    return Promise.resolve({ result: 'changed' });
  };
  const queue = queueWith(sender);
  queue.startCycle();
  await queue.submit('a', statsOf(2n));
  await queue.drain();
  expect(sends).toBe(2);
  await queue.submit('b', statsOf(1n));
  await queue.drain();
  expect(sends).toBe(3);
});

it('knows what was on its way and did not arrive, until it has', async () => {
  const sender = senderThatStats(() => statsOf(1n));
  const results = ['stopped', 'left-behind', 'sent'] as const;
  let sends = 0;
  sender.send = () => Promise.resolve({ result: results[(sends += 1) - 1] ?? 'sent' });
  const queue = queueWith(sender);
  const tried: boolean[] = [];
  while (sends < results.length) {
    tried.push(queue.wasTried('a'));
    await queue.submit('a', statsOf(1n));
    await queue.drain();
  }
  expect([...tried, queue.wasTried('a')]).toEqual([false, true, true, false]);
});
