import { expect, it } from 'vitest';
import { unreliable } from '../../../src/source/unreliable-mount.ts';

it.each([
  ['fuse', 0x65735546, true],
  ['cifs', 0xff534d42 | 0, true],
  ['nfs', 0x6969, false],
])('%s: events and inode numbers', (kind, type, mayRenumber) => {
  const told = unreliable(type);
  expect(told?.state).toContain(`it is ${kind}: changes by other hosts raise no event`);
  expect(told?.state.includes('new inode numbers')).toBe(mayRenumber);
  expect(told?.hint.includes('serverino')).toBe(mayRenumber);
});

it('a file system of this host is told nothing of', () => expect(unreliable(0xef53)).toBeUndefined());
