import { expect, it } from 'vitest';
import { AskAside } from '../../../src/transports/sftp/ask-aside.ts';
import type { Line } from '../../../src/transports/sftp/line.ts';
import { Silence } from '../../../src/transports/sftp/silence.ts';

const limits = { allMs: 30_000, oneMs: 300_000, slowMs: 1_800_000 };
const channel = (answered = 0, oldest?: number, isSlow = false) => ({ answered, oldest, isSlow });

it('an idle connection is not silent, however long', () => {
  const silence = new Silence();
  const idle = channel();
  for (const ms of [0, 50_000, 1_000_000]) expect(silence.tooLong([idle], limits, ms)).toBeUndefined();
});

it('what was asked is answered within the limit, or the server is given up: only replies count', () => {
  const silence = new Silence();
  const one = channel(5, 9);
  expect(silence.tooLong([one], limits, 0)).toBeUndefined();
  expect(silence.tooLong([one], limits, 29_000)).toBeUndefined();
  expect(silence.tooLong([one], limits, 30_000)).toBe(30_000);
});

it('a reply on any channel is life: a request may wait behind what else is in flight on a slow line', () => {
  const silence = new Silence();
  const [stuck, served] = [channel(5, 9), channel(0, 1)];
  for (let ms = 0; ms < 300_000; ms += 20_000) {
    served.answered += 1;
    served.oldest = served.answered;
    expect(silence.tooLong([stuck, served], limits, ms)).toBeUndefined();
  }
  served.answered += 1;
  expect(silence.tooLong([stuck, served], limits, 300_000)).toBe(300_000);
});

it('a request that may take minutes gets them, as long as the server answers others', () => {
  const silence = new Silence();
  const [closing, aside] = [channel(5, 9, true), channel()];
  for (let ms = 0; ms < 1_800_000; ms += 20_000) {
    aside.answered += 1;
    expect(silence.tooLong([closing, aside], limits, ms)).toBeUndefined();
  }
  aside.answered += 1;
  expect(silence.tooLong([closing, aside], limits, 1_800_000)).toBe(1_800_000);
});

it('a server is asked aside where all waits for what may take minutes, and nowhere else', async () => {
  const asked: string[] = [];
  const idle = { pending: 0, isSlow: false, realpath: (path: string) => Promise.resolve(asked.push(path)) };
  const of = (...all: readonly object[]): AskAside =>
    new AskAside({ all, open: () => Promise.resolve(idle) } as unknown as Pick<Line, 'all' | 'open'>);
  const [closing, writing] = [
    { pending: 1, isSlow: true },
    { pending: 1, isSlow: false },
  ];
  for (const aside of [of(closing, writing, idle), of(idle), of(writing)]) aside.tick(20_000);
  of(closing, idle).tick(9_000);
  expect(asked).toEqual([]);
  of(closing, idle).tick(10_000);
  expect(asked).toEqual(['.']);
  // With one channel alone another one is opened.
  of(closing).tick(10_000);
  await Promise.resolve();
  expect(asked).toEqual(['.', '.']);
});
