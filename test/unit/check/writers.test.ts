import { expect, it } from 'vitest';
import { writersLine } from '../../../src/check/writers.ts';

it.each<[string, bigint[], bigint, boolean, 'ok' | 'warning']>([
  ['our own files', [1000n], 1000n, false, 'ok'],
  ['files of others', [1000n, 1001n], 1001n, false, 'warning'],
  ['files of others, as root', [1000n], 0n, true, 'ok'],
  ['files of others, as root of a container without CAP_SYS_PTRACE', [1000n], 0n, false, 'warning'],
  ['no files', [], 1000n, false, 'ok'],
])('%s: can their writers be seen?', (_name, owners, user, seesAll, state) => {
  const line = writersLine(new Set(owners), user, { seesAll, isApart: false });
  expect(line.state).toBe(state);
  if (state === 'warning') {
    expect(line.message).toContain('user 1000,');
    expect(line.hint).toContain('CAP_SYS_PTRACE');
  }
});

it('says that writers outside a container are not seen', () => {
  expect(writersLine(new Set(), 1000n, { seesAll: true, isApart: true })).toMatchObject({
    state: 'ok',
    message: expect.stringContaining('of none outside it') as string,
  });
});
