import { expect, it } from 'vitest';
import { SourceClock } from '../../../src/source/file-clock.ts';

const at = (ms: number): bigint => BigInt(ms) * 1_000_000n;

it('is ours until a change shows another one', () => {
  let ours = 1_000_000;
  const clock = new SourceClock(() => ours);
  expect(clock.now()).toBe(1_000_000);
  clock.noteChange(at(400_000));
  ours += 5;
  expect(clock.now()).toBe(400_005);
  clock.noteChange(at(1_600_000));
  expect(clock.now()).toBe(1_600_000);
});

it.each([-1010, -5, 0, 5])('is ours where a change is stamped %d ms off: whole seconds, or a slow call', (offMs) => {
  const clock = new SourceClock(() => 1_000_000);
  clock.noteChange(at(1_000_000 + offMs));
  expect(clock.now()).toBe(1_000_000);
});

it('is ours again once ours was set right', () => {
  let ours = 1_000_000;
  const clock = new SourceClock(() => ours);
  clock.noteChange(at(9_000_000));
  ours = 9_000_100;
  clock.noteChange(at(9_000_100));
  expect(clock.now()).toBe(9_000_100);
});

it('takes what an earlier process found for the sooner one, until a change shows it', () => {
  const kept: number[] = [];
  const clock = new SourceClock(() => 1_000_000, { aheadMs: -600_000, keep: (aheadMs) => kept.push(aheadMs) });
  expect([clock.now(), clock.earliest()]).toEqual([1_000_000, 400_000]);
  clock.noteChange(at(400_100));
  expect([clock.earliest(), kept]).toEqual([400_000, []]);
  clock.noteChange(at(1_000_000));
  expect([clock.earliest(), kept]).toEqual([1_000_000, [0]]);
});

it('is no later than ours for one that was ahead and may be right again', () => {
  const clock = new SourceClock(() => 1_000_000, { aheadMs: 600_000, keep: () => undefined });
  expect(clock.earliest()).toBe(1_000_000);
});
