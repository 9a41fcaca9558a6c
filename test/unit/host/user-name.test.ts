import { userInfo } from 'node:os';
import { expect, it } from 'vitest';
import { nameIn, userName } from '../../../src/host/user-name.ts';

it('names users, and numbers that no user has', () => {
  expect(userName(process.getuid?.() ?? 0)).toBe(userInfo().username);
  expect(userName(0n)).toBe('root');
  expect(userName(3_999_999_999n)).toBe('3999999999');
});

it.each([
  ['root:x:0:0:root:/root:/bin/sh\nparser:x:1001:1001::/:\n', '1001', 'parser'],
  ['root:x:0:0:root:/root:/bin/sh\n', '1', undefined],
  ['', '0', undefined],
])('%j, %s', (passwd, id, name) => expect(nameIn(passwd, id)).toBe(name));
