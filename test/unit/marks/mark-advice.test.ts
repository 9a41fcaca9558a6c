import { expect, it } from 'vitest';
import { markHint } from '../../../src/marks/mark.ts';

it.each<[string, string | undefined, bigint | undefined, string]>([
  ['another user’s file', 'EPERM', 3_999_999_999n, 'run isocket as user 3999999999'],
  ['an own file that cannot be changed', 'EPERM', BigInt(process.geteuid?.() ?? 0), 'lsattr'],
  ['a file that is gone meanwhile', 'EPERM', undefined, 'lsattr'],
  ['a read-only file system', 'EROFS', BigInt(process.geteuid?.() ?? 0), 'writable'],
])('%s', (_what, code, uid, words) => {
  expect(markHint(code, uid)).toContain(words);
  expect(markHint(code, uid)).not.toContain('CAP_FOWNER');
});
