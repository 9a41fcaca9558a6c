import { expect, it } from 'vitest';
import { Folding } from '../../../src/cli/reporters/folding.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

it('prints the first of a burst, and the count when its time is over', () => {
  const folding = new Folding<string>();
  const printed = Array.from({ length: 4999 }, (_none, index) => folding.take('full', `file ${index}`, index));
  expect(printed.filter(Boolean)).toHaveLength(1);
  expect(folding.nextMs).toBe(10 * SECOND);
  expect(folding.due(9 * SECOND)).toEqual([]);
  expect(folding.due(10 * SECOND)).toEqual([{ last: 'file 4998', count: 4998 }]);
  expect(folding.nextMs).toBeUndefined();
});

it('tells what goes on for hours ever more seldom, and at least once an hour', () => {
  const folding = new Folding<string>();
  const told: number[] = [];
  let count = 0;
  for (let ms = 0; ms <= 24 * 60 * MINUTE; ms += MINUTE) {
    for (const folded of folding.due(ms)) {
      told.push(ms / MINUTE);
      count += folded.count;
    }
    if (folding.take('held', `at ${ms}`, ms)) told.push(ms / MINUTE);
  }
  count += folding.end()[0]?.count ?? 0;
  expect(told.length).toBeLessThan(40);
  expect(told.length).toBeGreaterThan(24);
  expect(count).toBe(24 * 60); // None is left out of the count.
});

it('begins anew after five minutes of quiet', () => {
  const folding = new Folding<string>();
  expect(folding.take('full', 'a', 0)).toBe(true);
  expect(folding.take('full', 'b', 4 * MINUTE)).toBe(false);
  expect(folding.due(6 * MINUTE)).toEqual([{ last: 'b', count: 1 }]);
  expect(folding.take('full', 'c', 10 * MINUTE)).toBe(true);
});

it('keeps kinds apart, and no more than a hundred of them', () => {
  const folding = new Folding<string>();
  for (let kind = 0; kind < 1000; kind += 1) {
    expect(folding.take(`kind ${kind}`, 'first', kind)).toBe(true);
    expect(folding.take(`kind ${kind}`, 'second', kind)).toBe(false);
  }
  expect(folding.nextMs).toBe(-Infinity);
  expect(folding.due(1000)).toHaveLength(900); // What had to make room is told.
  expect(folding.end()).toHaveLength(100);
  expect(folding.end()).toEqual([]);
});
