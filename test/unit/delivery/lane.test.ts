import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Lane, LeftBehind, MOST_WAITING } from '../../../src/delivery/lane.ts';
import type { RetryingTransport } from '../../../src/delivery/retrying-transport.ts';
import type { Urgency } from '../../../src/delivery/send-slots.ts';
import type { OutgoingFile } from '../../../src/transport.ts';

/** A destination that takes two files at once, and confirms when it is told to. */
const controlled = (answers: boolean) => {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const health = { wasReached: answers, failure: undefined };
  const transport = {
    label: 'there',
    inFlight: 2,
    health,
    send: ({ targetPath }: OutgoingFile, signal: AbortSignal) => {
      begun.push(targetPath);
      return new Promise<void>((resolve, reject) => {
        ends.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    },
  } as unknown as RetryingTransport;
  return { transport, begun, health, end: () => ends.shift()?.() };
};

const { signal } = new AbortController();
const send = (lane: Lane, name: string, urgency: Urgency, elsewhere = false): Promise<string> =>
  lane
    .send({ file: { targetPath: name } as OutgoingFile, urgency, isTakenElsewhere: () => elsewhere, signal })
    .then(() => 'sent')
    .catch((error: unknown) => (error instanceof LeftBehind ? 'left behind' : String(error)));

it('begins as many as the destination takes, live ones before those of a listing', async () => {
  const there = controlled(true);
  const lane = new Lane(there.transport);
  const sends = [send(lane, 'a', 'backlog'), send(lane, 'b', 'backlog'), send(lane, 'c', 'backlog')];
  sends.push(send(lane, 'live', 'live'));
  await nextTurn();
  expect(there.begun).toEqual(['a', 'b', 'live']);
  for (let ended = 0; ended < 4; ended += 1) {
    there.end();
    await nextTurn();
  }
  expect(await Promise.all(sends)).toEqual(['sent', 'sent', 'sent', 'sent']);
  expect(there.begun).toEqual(['a', 'b', 'live', 'c']);
});

it('leaves behind what others take when too many wait, and waits where nobody else does', async () => {
  const there = controlled(true);
  const lane = new Lane(there.transport);
  const sends = Array.from({ length: MOST_WAITING + 2 }, (_, index) => send(lane, `${index}`, 'backlog', true));
  expect(await send(lane, 'more', 'backlog', true)).toBe('left behind');
  const alone = send(lane, 'alone', 'backlog');
  for (let ended = 0; ended < MOST_WAITING + 3; ended += 1) {
    there.end();
    await nextTurn();
  }
  expect(new Set(await Promise.all([...sends, alone]))).toEqual(new Set(['sent']));
});

it('is not waited for where it does not answer, under way or not, but by one, and by what nobody else takes', async () => {
  const there = controlled(false);
  let nowMs = 0;
  const lane = new Lane(there.transport, () => nowMs);
  const [probe, ...sends] = ['a', 'b', 'c', 'd'].map((name) => send(lane, name, 'backlog', true));
  const alone = send(lane, 'alone', 'backlog');
  nowMs = 10_000; // Its timers look at this clock.
  expect(await Promise.all(sends)).toEqual(['left behind', 'left behind', 'left behind']);
  expect(await send(lane, 'late', 'backlog', true)).toBe('left behind');
  await expect.poll(() => there.begun).toEqual(['a', 'b', 'alone']);
  there.health.wasReached = true;
  for (let ended = 0; ended < 3; ended += 1) there.end();
  expect(await Promise.all([probe, alone])).toEqual(['sent', 'sent']);
});
