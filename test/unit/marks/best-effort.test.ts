import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BestEffortNotes, readBestEffort } from '../../../src/marks/best-effort.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'isocket-best-effort-'));
});
afterEach(() => rmSync(state, { recursive: true }));

it('what a best-effort destination waits for survives a restart, byte for byte', () => {
  const odd = 'DC\udcff';
  {
    using notes = new BestEffortNotes(state, ['a', 'b']);
    notes.note('DC1');
    notes.note(odd);
    notes.forget('a', 'DC1');
  }
  using again = new BestEffortNotes(state, ['a', 'b', 'new']);
  expect([...again.waiting('a')]).toEqual([odd]);
  expect([...again.waiting('b')]).toEqual(['DC1', odd]);
  expect([...again.waiting('new')]).toEqual([]);
});

it('an outage is told once, over several runs too, and its end once', () => {
  const run = <T>(use: (notes: BestEffortNotes) => T): T => {
    using notes = new BestEffortNotes(state, ['a']);
    return use(notes);
  };
  expect(run((notes) => notes.failed('a', 'down'))).toBe(true);
  const { since } = readBestEffort(state).get('a')?.down ?? {};
  expect(run((notes) => notes.failed('a', 'still down'))).toBe(false);
  expect(readBestEffort(state).get('a')).toMatchObject({ isUp: false, down: { message: 'still down', since } });
  expect(run((notes) => notes.answered('a'))).toBe(true);
  expect(run((notes) => notes.answered('a'))).toBe(false);
  expect(readBestEffort(state).get('a')).toEqual({ waiting: [], isUp: true, down: null });
});

it.each(['', 'null', '7', '[]', '{"a":null}', '{"a":{"waiting":"x","down":7}}'])(
  'a file that holds %j is none',
  (text) => {
    writeFileSync(`${state}/best-effort.json`, text);
    using notes = new BestEffortNotes(state, ['a']);
    expect([...notes.waiting('a')]).toEqual([]);
    expect(notes.isDown('a')).toBe(false);
  },
);
