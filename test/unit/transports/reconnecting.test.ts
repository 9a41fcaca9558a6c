import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Reconnecting, type Closable } from '../../../src/transports/reconnecting.ts';

/** Sessions that are lost when the test says so; each notes how often it was closed. */
const sessions = () => {
  const opened: (Closable & { closed: boolean; closes: number })[] = [];
  const open = () => {
    const session = {
      closed: false,
      closes: 0,
      close: () => {
        session.closed = true;
        session.closes += 1;
        return Promise.resolve();
      },
    };
    opened.push(session);
    return Promise.resolve(session);
  };
  return { opened, open };
};

const CLOSED = 'Cannot use here: it was closed';

describe('a reconnecting session', () => {
  it('is opened once for all who need it, and then given without a promise', async () => {
    const { opened, open } = sessions();
    const connection = new Reconnecting('here', open);
    expect(connection.live).toBeUndefined();
    const [first, second] = await Promise.all([connection.acquire(), connection.acquire()]);
    expect(opened).toEqual([first]);
    expect(second).toBe(first);
    expect(connection.acquire()).toBe(first);
  });

  it('is opened again after it was lost, and the lost one is closed', async () => {
    const { opened, open } = sessions();
    const connection = new Reconnecting('here', open);
    const lost = await connection.acquire();
    lost.closed = true;
    expect(connection.live).toBeUndefined();
    expect(await connection.acquire()).not.toBe(lost);
    expect(opened.map(({ closes }) => closes)).toEqual([1, 0]);
  });

  it('is tried again by the next caller after it could not be opened', async () => {
    const { open } = sessions();
    let attempts = 0;
    const connection = new Reconnecting('here', () => {
      attempts += 1;
      return attempts === 1 ? Promise.reject(new Error('no answer')) : open();
    });
    await expect(connection.acquire()).rejects.toThrow('no answer');
    await expect(connection.acquire()).resolves.toBeDefined();
  });

  it('stops an attempt, and closes on disposal what the attempt had opened all the same', async () => {
    const { opened, open } = sessions();
    const begun = Promise.withResolvers<undefined>();
    const connection = new Reconnecting('here', async (signal) => {
      const aborted = once(signal, 'abort');
      begun.resolve(undefined);
      await aborted;
      return await open();
    });
    const acquired = Promise.allSettled([connection.acquire()]);
    await begun.promise;
    await connection.stop();
    expect(await acquired).toMatchObject([{ reason: { class: 'network', message: CLOSED } }]);
    expect(() => connection.acquire()).toThrow(CLOSED);
    await connection[Symbol.asyncDispose]();
    expect(opened.map(({ closed }) => closed)).toEqual([true]);
  });
});
