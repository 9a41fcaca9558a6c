import { expect, it } from 'vitest';
import type { Entry } from '../../../src/source/scanner.ts';
import { createWalkMemory } from '../../../src/source/walk-memory.ts';

const entry = (path: string): Entry => ({ kind: 'skipped', path, why: 'symlink' });

it('a walk is told once, whole or not at all', () => {
  const memory = createWalkMemory();
  expect(memory.take()).toBeUndefined();
  memory.note(entry('a'));
  memory.note(entry('b'));
  expect(memory.take()).toEqual([entry('a'), entry('b')]);
  expect(memory.take()).toBeUndefined();
  for (let file = 0; file < 10_000; file += 1) memory.note(entry(String(file)));
  expect(memory.take()).toBeUndefined();
});
