import { expect, test } from 'vitest';
import { modeWithoutMark } from '../../../src/marks/mark.ts';

test('a destination gets neither the mark nor setuid, setgid and sticky', () => {
  expect(modeWithoutMark({ mode: 0o107775n }).toString(8)).toBe('755');
});
