import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestQueue } from '../../../src/receiver/request-queue.ts';

/** A queue whose requests are in progress until they are finished here: packets of an even number are served at once. */
const makeQueue = () => {
  const served: number[] = [];
  const finish: (() => void)[] = [];
  let isBlocked = false;
  const queue = new RequestQueue({
    serve: (packet) => {
      expect(isBlocked).toBe(false);
      expect(finish).toHaveLength(0);
      const number = packet.readUInt32BE();
      served.push(number);
      return number % 2 === 0 ? undefined : new Promise((resolve) => finish.push(resolve));
    },
    isBlocked: () => isBlocked,
    onServed: () => queue.serveWaiting(),
  });
  return {
    queue,
    served,
    finishOne: async () => {
      finish.shift()?.();
      await Promise.resolve();
    },
    block: (value: boolean) => {
      isBlocked = value;
      queue.serveWaiting();
    },
  };
};

/** The packets share one buffer, as views of the splitter do. */
const shared = Buffer.alloc(4);
const packet = (number: number): Buffer => {
  shared.writeUInt32BE(number);
  return shared;
};

describe('the queue of requests', () => {
  it('serves one at a time, each once, in order, whatever blocks in between', async () => {
    const step = fc.oneof(
      fc.record({ accept: fc.nat({ max: 9 }) }),
      fc.record({ block: fc.boolean() }),
      fc.constant({ finish: true }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step), async (steps) => {
        const { queue, served, finishOne, block } = makeQueue();
        const sent: number[] = [];
        for (const action of steps) {
          if ('accept' in action) {
            sent.push(action.accept);
            queue.accept(packet(action.accept));
          } else if ('block' in action) block(action.block);
          else await finishOne();
          expect(served).toEqual(sent.slice(0, served.length));
          expect(queue.isEmpty).toBe(served.length === sent.length);
          if (!queue.mustWait) expect(queue.isEmpty).toBe(true);
        }
        block(false);
        while (queue.isServing) await finishOne();
        expect(served).toEqual(sent);
      }),
    );
  });

  it('discards what waits, and finishes the request in progress', async () => {
    const { queue, served, finishOne } = makeQueue();
    for (const number of [1, 2, 4]) queue.accept(packet(number));
    queue.clear();
    expect(queue.isServing).toBe(true);
    await finishOne();
    expect(queue.isServing).toBe(false);
    expect(served).toEqual([1]);
  });
});
