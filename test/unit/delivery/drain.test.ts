import { expect, it } from 'vitest';
import { drain } from '../../../src/delivery/drain.ts';

it('hands over what was left behind whenever a destination answers, and ends when all is sent', async () => {
  const calls = new Set<() => void>();
  const sent = Promise.withResolvers<undefined>();
  let caughtUp = Promise.withResolvers<undefined>();
  const sender = {
    onAnswer: (call: () => void) => {
      calls.add(call);
      return () => void calls.delete(call);
    },
  };
  const drained = drain({ drain: () => sent.promise }, sender, () => {
    caughtUp.resolve(undefined);
    return Promise.resolve();
  });
  for (let answers = 0; answers < 2; answers += 1) {
    for (const call of calls) call();
    await caughtUp.promise;
    caughtUp = Promise.withResolvers();
  }
  sent.resolve(undefined);
  await drained;
  expect(calls.size).toBe(0);
});
