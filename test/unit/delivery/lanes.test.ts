import { expect, it } from 'vitest';
import { TransportError } from '../../../src/errors.ts';
import { LeftBehind } from '../../../src/delivery/lane.ts';
import { Lanes } from '../../../src/delivery/lanes.ts';
import type { RetryingTransport } from '../../../src/delivery/retrying-transport.ts';
import { createMemoryRecord } from '../../../src/marks/record.ts';
import type { OutgoingFile } from '../../../src/transport.ts';

const { signal } = new AbortController();
const until = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
const destination = (label: string, wasReached: boolean, send: RetryingTransport['send']): RetryingTransport =>
  ({ label, inFlight: 2, health: { wasReached, failure: undefined }, send }) as unknown as RetryingTransport;

it('what one destination has refused is not kept until another one, which is silent, answers', async () => {
  const asked: string[] = [];
  const silent = destination('silent', false, ({ targetPath }, signal) => {
    asked.push(targetPath);
    return until(signal);
  });
  const changed = new TransportError('source-changed', 'it was written meanwhile');
  const there = destination('there', true, ({ targetPath }) =>
    targetPath === 'DC1/changed' ? Promise.reject(changed) : Promise.resolve(),
  );
  const lanes = new Lanes([silent, there], signal);
  const record = createMemoryRecord([
    [0, 1],
    [0, 2],
  ]);
  const deliver = (path: string): Promise<unknown> => {
    const file = { targetPath: `DC1/${path}`, identity: { dev: 1n } } as OutgoingFile;
    const state = { ino: 1n, size: 1n, mtimeNs: 1n, ctimeNs: 1n };
    const recorded = { path, state, record, isPresumed: false };
    return lanes.deliver(file, recorded, 'live').catch((error: unknown) => error);
  };
  let isProbing = true; // One stays, to show when it answers.
  void deliver('probe').then(() => (isProbing = false));
  expect(await deliver('changed')).toBe(changed);
  expect(await deliver('file')).toBeInstanceOf(LeftBehind);
  expect(asked).toEqual(['DC1/probe', 'DC1/changed']);
  expect(isProbing).toBe(true);
});
