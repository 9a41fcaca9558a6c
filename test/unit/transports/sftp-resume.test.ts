import type { FileHandle } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import { OpenFlag, Status } from '../../../src/sftp/protocol.ts';
import { SftpStatusError } from '../../../src/sftp/replies.ts';
import { findEarlierAttempt, openTemporary } from '../../../src/transports/sftp/resume.ts';

const { READ, WRITE, CREAT, EXCL } = OpenFlag;
const earlier = { exists: true, missing: [{ start: 5, end: 10 }] };

/** The flags with which it is opened; `refused` ones are refused. */
const opens = async (hasLimits: boolean, refused: readonly number[] = []): Promise<readonly number[]> => {
  const asked: number[] = [];
  const channel = {
    has: () => hasLimits,
    open: (_path: string, flags: number) => {
      asked.push(flags);
      return refused.includes(flags)
        ? Promise.reject(new SftpStatusError(Status.PERMISSION_DENIED, 'no'))
        : Promise.resolve(Buffer.from('handle'));
    },
    remove: () => Promise.resolve(),
  };
  await openTemporary(channel as unknown as SftpClient, '/d/part', earlier, 10);
  return asked;
};

it('is opened to read and write where the server may empty what is opened to write alone', async () => {
  expect(await opens(true)).toEqual([WRITE]);
  expect(await opens(false)).toEqual([READ | WRITE]);
  expect(await opens(false, [READ | WRITE])).toEqual([READ | WRITE, WRITE]);
  expect(await opens(false, [READ | WRITE, WRITE])).toEqual([READ | WRITE, WRITE, WRITE | CREAT | EXCL]);
});

it.each([
  ['permission denied', Status.PERMISSION_DENIED],
  ['unsupported', Status.OP_UNSUPPORTED],
  ['failure', Status.FAILURE],
  ['bad message', Status.BAD_MESSAGE],
] as const)('what cannot be read back ("%s") and is not known to be there is sent again', async (_words, status) => {
  const refuse = () => Promise.reject(new SftpStatusError(status, 'no'));
  const known = [{ start: 2, end: 5 }];
  const find = (requests: Partial<SftpClient>) => {
    const channel = { lstat: () => Promise.resolve({ size: 8 }), close: () => Promise.resolve(), ...requests };
    const source = { read: () => Promise.resolve({ bytesRead: 0 }) } as unknown as FileHandle;
    const { signal } = new AbortController();
    return findEarlierAttempt(channel as unknown as SftpClient, source, '/d/part', 10, { isNew: false, known }, signal);
  };
  const missing = [
    { start: 0, end: 2 },
    { start: 5, end: 10 },
  ];
  expect(await find({ open: refuse })).toEqual({ exists: true, missing });
  expect(await find({ open: () => Promise.resolve(Buffer.from('handle')), read: refuse })).toEqual({ exists: true, missing }); // prettier-ignore
});
