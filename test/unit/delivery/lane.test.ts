import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Lane, LeftBehind, MOST_WAITING, type LaneSend } from '../../../src/delivery/lane.ts';
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
const begin = (lane: Lane, name: string, urgency: Urgency) => {
  let [isTaken, isOutdated] = [false, false];
  const send: LaneSend = {
    file: { targetPath: name } as OutgoingFile,
    urgency,
    isSettledElsewhere: () => isTaken,
    isOutdated: () => isOutdated,
    signal,
  };
  const end = lane
    .send(send)
    .then(() => 'sent')
    .catch((error: unknown) => (error instanceof LeftBehind ? 'left behind' : String(error)));
  const taken = (): void => {
    isTaken = true;
    lane.noteSettled(send);
  };
  const outdated = (): void => {
    isOutdated = true;
  };
  return { end, taken, outdated };
};

it('begins as many as the destination takes, live ones before those of a listing', async () => {
  const there = controlled(true);
  const lane = new Lane(there.transport);
  const sends = ['a', 'b', 'c'].map((name) => begin(lane, name, 'backlog').end);
  sends.push(begin(lane, 'live', 'live').end);
  await nextTurn();
  expect(there.begun).toEqual(['a', 'b', 'live']);
  for (let ended = 0; ended < 4; ended += 1) {
    there.end();
    await nextTurn();
  }
  expect(await Promise.all(sends)).toEqual(['sent', 'sent', 'sent', 'sent']);
  expect(there.begun).toEqual(['a', 'b', 'live', 'c']);
});

it('leaves behind what another one has taken when too many wait, and nothing else', async () => {
  const there = controlled(true);
  const lane = new Lane(there.transport);
  const sends = Array.from({ length: MOST_WAITING + 4 }, (_, index) => begin(lane, `${index}`, 'backlog'));
  for (const { taken } of sends.slice(10, 20)) taken(); // Two more wait than may: two of them leave.
  const behind = await Promise.all(sends.slice(10, 12).map(({ end }) => end));
  expect(behind).toEqual(['left behind', 'left behind']);
  for (let ended = 0; ended < MOST_WAITING + 4; ended += 1) {
    there.end();
    await nextTurn();
  }
  const ends = await Promise.all(sends.map(({ end }) => end));
  expect(ends.filter((end) => end === 'left behind')).toHaveLength(2);
  expect(ends.filter((end) => end === 'sent')).toHaveLength(MOST_WAITING + 2);
});

it('is not waited for where it does not answer, but by one, and by what nobody else has taken', async () => {
  const there = controlled(false);
  let [nowMs, answers] = [0, 0];
  const answered = (): void => void (answers += 1);
  const lane = new Lane(there.transport, answered, () => nowMs);
  const [probe, ...others] = ['a', 'b', 'c', 'd'].map((name) => begin(lane, name, 'backlog'));
  const alone = begin(lane, 'alone', 'backlog');
  for (const { taken } of [probe, ...others].flatMap((one) => one ?? [])) taken();
  nowMs = 10_000; // Its timers look at this clock.
  expect(await Promise.all(others.map(({ end }) => end))).toEqual(['left behind', 'left behind', 'left behind']);
  const late = begin(lane, 'late', 'backlog');
  late.taken();
  expect(await late.end).toBe('left behind');
  expect(there.begun).toEqual(['a', 'b']);
  expect(answers).toBe(0);
  there.health.wasReached = true;
  there.end();
  await expect.poll(() => there.begun).toEqual(['a', 'b', 'alone']);
  for (let ended = 0; ended < 2; ended += 1) there.end(); // That of "b", which was given up, and the last.
  expect(await Promise.all([probe?.end, alone.end])).toEqual(['sent', 'sent']);
  expect(answers).toBe(1); // What was left behind may go now.
});

it('does not keep what was written anew from the others while it does not answer', async () => {
  const there = controlled(false);
  let nowMs = 0;
  const lane = new Lane(there.transport, undefined, () => nowMs);
  const probe = begin(lane, 'a', 'live');
  probe.taken();
  probe.outdated();
  nowMs = 10_000;
  expect(await probe.end).toBe('left behind');
});

it('does not keep what was written anew from the others while it is slow', async () => {
  const there = controlled(true);
  const lane = new Lane(there.transport);
  const sends = ['a', 'b', 'c', 'd'].map((name) => begin(lane, name, 'live'));
  sends[2]?.outdated();
  expect(await sends[2]?.end).toBe('left behind');
  expect(there.begun).toEqual(['a', 'b']);
});
