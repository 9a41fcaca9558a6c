import { expect, it } from 'vitest';
import { ContentWindow } from '../../../src/transports/sftp/content-window.ts';

const CHUNK = 128 * 1024;
const MOST = 16 * 1024 * 1024;

interface Line {
  readonly roundTripMs: number;
  /** After so many milliseconds. */
  readonly longer?: { readonly fromMs: number; readonly roundTripMs: number };
  readonly bytesPerMs: number;
}

/** Sends chunks over a line with an endless buffer, as the window allows. */
const send = ({ roundTripMs, longer, bytesPerMs }: Line, forMs: number) => {
  const window = new ContentWindow(() => MOST);
  const replies: { readonly sentMs: number; readonly atMs: number }[] = [];
  let [nowMs, freeMs, answered, waitedMs, counted] = [0, 0, 0, 0, 0];
  const from = forMs / 2;
  while (nowMs < forMs) {
    while ((replies.length + 1) * CHUNK <= window.bytes) {
      freeMs = Math.max(freeMs, nowMs) + CHUNK / bytesPerMs;
      const wayMs = longer !== undefined && nowMs >= longer.fromMs ? longer.roundTripMs : roundTripMs;
      replies.push({ sentMs: nowMs, atMs: freeMs + wayMs });
    }
    const next = replies.shift();
    if (next === undefined) throw new Error('nothing is under way');
    nowMs = Math.max(nowMs, next.atMs);
    window.noteReply(next.sentMs, nowMs);
    if (nowMs < from) continue;
    answered += CHUNK;
    waitedMs += Math.max(0, freeMs - nowMs);
    counted += 1;
  }
  return { share: answered / ((nowMs - from) * bytesPerMs), queueMs: waitedMs / counted, bytes: window.bytes };
};

it.each<[string, Line, number]>([
  ['20 MB/s, 40 ms', { roundTripMs: 40, bytesPerMs: 20_000 }, 40],
  ['5 MB/s, 100 ms', { roundTripMs: 100, bytesPerMs: 5000 }, 150],
  ['100 MB/s, 2 ms', { roundTripMs: 2, bytesPerMs: 100_000 }, 10],
])('%s: the line is full, and its queue is short', (_title, line, mostQueueMs) => {
  const { share, queueMs } = send(line, 20_000);
  expect(share).toBeGreaterThan(0.95);
  expect(queueMs).toBeLessThan(mostQueueMs);
});

it('a line that carries all of it is not held back', () => {
  expect(send({ roundTripMs: 100, bytesPerMs: 1_000_000 }, 5000).bytes).toBe(MOST);
});

it('a way that has become longer is measured anew', () => {
  const longer = { fromMs: 5000, roundTripMs: 150 };
  expect(send({ roundTripMs: 20, longer, bytesPerMs: 20_000 }, 120_000).share).toBeGreaterThan(0.9);
});
