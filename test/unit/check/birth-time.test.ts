import { expect, it } from 'vitest';
import { birthTimeLine } from '../../../src/check/birth-time.ts';

const born = { name: 'DC1', birthNs: 7n };
const unborn = { name: 'DC2', birthNs: 0n };

it.each([
  ['no directory', 'birth', [], 'ok', 'no directory to examine'],
  ['one with a birth time', 'birth', [born], 'ok', 'every directory has one'],
  ['one with and one without', 'birth', [born, unborn], 'warning', '"DC2"'],
  ['one without', 'mtime', [unborn], 'warning', '"DC2"'],
] as const)('%s, newest by %s', (_what, newest, directories, state, message) => {
  const line = birthTimeLine(directories, newest);
  expect(line.state).toBe(state);
  expect(line.message).toContain(message);
});

it('says what orders the directories instead', () => {
  expect(birthTimeLine([unborn], 'birth').hint).toContain('ordered by name');
  expect(birthTimeLine([unborn], 'mtime').hint).toContain('does not need it');
});
