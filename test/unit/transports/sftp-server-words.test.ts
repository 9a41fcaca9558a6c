import { describe, expect, it } from 'vitest';
import { Status } from '../../../src/sftp/protocol.ts';
import { SftpStatusError } from '../../../src/sftp/replies.ts';
import {
  describeFailure,
  describeRefusal,
  isOddName,
  troubleInWords,
  unknownReason,
  wordsOf,
} from '../../../src/transports/sftp/server-words.ts';

describe('what stands behind a failure', () => {
  it.each([
    ['No space left on device', 'full'],
    ['preallocate: file too big for remaining disk space', 'full'],
    ['write /d/a: no space left on device', 'full'],
    ["[Errno 28] No space left on device: '/d/a'", 'full'],
    ['Disk quota exceeded', 'full'],
    ['There is not enough space on the disk.', 'full'],
    ['Read-only file system', 'read-only'],
    ['open /d/.isocket-1-2.part: read-only file system', 'read-only'],
    ['Invalid argument', 'name'],
    ['File name too long', 'name'],
    ["'utf-8' codec can't decode byte 0xe9 in position 4: invalid continuation byte", 'name'],
    ['Failure', undefined],
    ['', undefined],
    // The name of a file is no reason.
    ['rename /d/read-only disk full/a: failure', undefined],
    ["[Errno 5] Input/output error: '/d/no space left'", undefined],
  ] as const)('%j: %s', (message, trouble) => {
    expect(troubleInWords(new SftpStatusError(Status.FAILURE, message))).toBe(trouble);
  });

  it.each([
    [12, 'read-only'],
    [14, 'full'],
    [15, 'full'],
    [20, 'name'],
    [Status.FAILURE, undefined],
  ] as const)('status %i of a later version: %s', (status, trouble) => {
    expect(troubleInWords(new SftpStatusError(status, 'so'))).toBe(trouble);
  });
});

it.each([
  ['DC1/a:b', true],
  ['DC1/what?', true],
  ['DC1/ends.', true],
  ['DC1/ends ', true],
  ['DC1/new\nline', true],
  ['DC1/latin-\udce9', true],
  ['DC1/a b.dat', false],
  ['DC1/a:b/plain', true],
  ['DC1/ünï', false],
])('%j is a name that some file systems do not take: %s', (path, isOdd) => {
  expect(isOddName(path)).toBe(isOdd);
});

it('a refusal is named, and the right is the one that is missing', () => {
  const refusal = (request: string, status: number): SftpStatusError => {
    const error = new SftpStatusError(status, 'Permission denied');
    error.request = request;
    return error;
  };
  expect(describeRefusal(refusal('READDIR', Status.PERMISSION_DENIED))).toEqual({
    state: 'the server refuses READDIR (Permission denied)',
    hint: 'give the account the right to list folders there, or correct destination.path',
  });
  expect(describeRefusal(refusal('MKDIR', Status.OP_UNSUPPORTED))?.hint).toContain('make folders');
  expect(describeRefusal(new SftpStatusError(Status.FAILURE, 'Failure'))).toBeUndefined();
});

it.each([
  ['WRITE', 'a full disk, a quota, or an error of the disk'],
  ['CLOSE', 'a full disk, a quota, or an error of the disk'],
  ['OPEN to write', 'a read-only file system, a full one, or too many open files'],
  ['MKDIR', 'a name that it does not take'],
  ['LSTAT', ': an error of the disk, or something that is no folder on the way'],
  ['OPENDIR', ': an error of the disk, or something that is no folder on the way'],
  ['READ', ': an error of the disk'],
  ['REMOVE', ': a read-only file system, or a folder in which nothing may be removed'],
  [undefined, 'a full disk, a quota, a read-only file system, or a name'],
])('of %s that failed without a word: no more than what it may be', (request, reasons) => {
  const error = new SftpStatusError(Status.FAILURE, 'Failure');
  error.request = request;
  expect(unknownReason(error)).toContain(reasons);
  expect(describeFailure(error)).toBe(
    request === undefined ? 'Failure' : `the server answers ${request} with "Failure"`,
  );
});

// ProFTPD and isocket's own receiver say so; OpenSSH says "No such file".
it.each([
  ['Not a directory', 'no folder'],
  ["[Errno 20] Not a directory: '/d/a'", 'no folder'],
  ['ENOTDIR: not a directory, lstat', 'no folder'],
  ['Failure', 'a full disk'],
])('the cure for "%s"', (words, cure) => {
  expect(unknownReason(new SftpStatusError(Status.FAILURE, words))).toContain(cure);
});

describe('a reason in the words of a server whose status says "failure" alone', () => {
  const failed = (request: string, message: string): SftpStatusError => {
    const error = new SftpStatusError(Status.FAILURE, message);
    error.request = request;
    return error;
  };
  const part = '/d/.isocket-1-2.part';

  // As Go's server answers for all but two errors, and Python's for EPERM.
  it.each([
    ['posix-rename', `rename ${part} /d/a: operation not permitted`, 'rename files'],
    ['REMOVE', `[Errno 1] Operation not permitted: '${part}'`, 'remove its files'],
    ['OPEN to read', 'Permission denied', 'read files'],
    ['WRITE', 'Access is denied.', 'write'],
  ])('%s, %j: the right is missing', (request, message, right) => {
    expect(describeRefusal(failed(request, message))).toEqual({
      state: `the server refuses ${request} (${message})`,
      hint: `give the account the right to ${right} there, or correct destination.path`,
    });
  });

  it('a file that is too large for the file system there', () => {
    for (const message of ['File too large', `write ${part}: file too large`, "[Errno 27] File too large: '/d/a'"])
      expect(unknownReason(failed('WRITE', message))).toMatch(/no file of this size.*4 GiB/);
  });

  it('any other: it is not said that the server does not tell it', () => {
    expect(unknownReason(failed('WRITE', 'Input/output error'))).toMatch(/^see the server’s log for more than that: /);
    for (const message of [
      '',
      'Failure',
      'failure',
      'General failure',
      'SSH_FX_FAILURE',
      'status 4',
      'The operation failed.',
    ])
      expect(unknownReason(failed('WRITE', message))).toContain('which it does not tell');
    // The name of a file is no reason.
    expect(describeRefusal(failed('WRITE', 'write /d/operation not permitted/a: failure'))).toBeUndefined();
  });
});

it('the name of a temporary file is no part of the words: failures that are alike are told as one', () => {
  const words = (message: string): string => wordsOf(new SftpStatusError(Status.FAILURE, message));
  expect(words('open /d/DC1/.isocket-0123abcd-00ff1a.part: permission denied')).toBe(
    'open the temporary file: permission denied',
  );
  expect(words("[Errno 28] No space left: '/d/.isocket-0123abcd-9z.part'")).toBe(
    "[Errno 28] No space left: 'the temporary file'",
  );
  expect(words('Failure')).toBe('Failure');
});
