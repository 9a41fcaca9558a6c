import { expect, it } from 'vitest';
import { markHint } from '../../../src/marks/mark.ts';
import { cannotFinish } from '../../../src/source/directory-failures.ts';

it.each<[string, string | undefined, bigint | undefined, string]>([
  ['another user’s file', 'EPERM', 3_999_999_999n, 'run isocket as user 3999999999'],
  ['a single one of them', 'EPERM', 0n, 'where it is a single file, give it to user'],
  ['an own file that cannot be changed', 'EPERM', undefined, 'lsattr'],
  ['a read-only file system', 'EROFS', undefined, 'writable'],
])('%s', (_what, code, stranger, words) => {
  expect(markHint(code, stranger)).toContain(words);
  expect(markHint(code, stranger)).not.toContain('CAP_FOWNER');
});

it.each([
  ['EPERM', 'lsattr -d'],
  ['EACCES', 'let the user that runs isocket write there'],
])('finished.watch and %s', (code, words) =>
  expect(cannotFinish('DC1', Object.assign(new Error(code), { code })).hint).toContain(words),
);
