import { expect, it } from 'vitest';
import { Losses } from '../../../src/transports/sftp/losses.ts';
import type { OutgoingFile } from '../../../src/transport.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

const file = (targetPath: string): OutgoingFile => ({
  targetPath,
  sourcePath: `/datas/${targetPath}`,
  mode: 0o644,
  identity: { dev: 1n, ino: 1n, size: BigInt(100 * MIB), mtimeNs: 1n, ctimeNs: 1n },
});

const placesUntilBlamed = (places: readonly number[]): number => {
  const losses = new Losses();
  return places.findIndex((at) => losses.note('sftp://host', file('DC1/large'), at * MIB) !== undefined);
};

it('a file that gets no further than what was in flight is blamed at the third end', () => {
  expect(placesUntilBlamed([50, 50, 50])).toBe(2);
  expect(placesUntilBlamed([0.7, 0.8, 1.9])).toBe(2);
  expect(placesUntilBlamed([49, 51, 51.5, 51.9])).toBe(3);
});

it('a file that gets further between two ends is not', () => {
  expect(placesUntilBlamed([10, 20, 30, 40])).toBe(-1);
  // By less than what may have been in flight each time, but on and on.
  expect(placesUntilBlamed([10, 11.5, 13, 14.5, 16, 17.5])).toBe(-1);
});

it('files during which the server’s program ended go on one after the other', async () => {
  const losses = new Losses();
  const [first, second, other] = [file('DC1/first'), file('DC1/second'), file('DC1/other')];
  losses.note('sftp://host', first, 0);
  losses.note('sftp://host', second, 0);
  const endFirst = await losses.turn(first, never);
  let isSecondsTurn = false;
  const secondEnded = losses.turn(second, never).then((end) => {
    isSecondsTurn = true;
    end();
  });
  (await losses.turn(other, never))();
  expect(isSecondsTurn).toBe(false);
  endFirst();
  await secondEnded;
  expect(isSecondsTurn).toBe(true);
});

it('a turn is not waited for after an abort', async () => {
  const losses = new Losses();
  losses.note('sftp://host', file('DC1/first'), 0);
  await losses.turn(file('DC1/first'), never);
  (await losses.turn(file('DC1/first'), AbortSignal.abort()))();
});
