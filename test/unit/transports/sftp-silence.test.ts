import { expect, it } from 'vitest';
import { Silence } from '../../../src/transports/sftp/silence.ts';

const limits = { allMs: 30_000, oneMs: 300_000 };
const channel = (answered = 0, oldest?: number) => ({ answered, oldest });

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
