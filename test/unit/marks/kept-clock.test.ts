import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openKeptClock } from '../../../src/marks/kept-clock.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'isocket-clock-'));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

it('is kept for the next process', () => {
  const clock = openKeptClock(state);
  expect(clock.aheadMs).toBe(0);
  clock.keep(-3_600_000);
  expect(openKeptClock(state).aheadMs).toBe(-3_600_000);
});

it.each(['', '{"aheadMs":"1"}', 'null'])('what cannot be read is none: %j', (content) => {
  writeFileSync(join(state, 'source-clock.json'), content);
  expect(openKeptClock(state).aheadMs).toBe(0);
});

it('a state folder that cannot be written keeps none', () => {
  openKeptClock(join(state, 'missing')).keep(5000);
});
