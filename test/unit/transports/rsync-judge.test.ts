import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemErrorCode } from '../../../src/errors.ts';
import { decodeName, encodeName } from '../../../src/name.ts';
import { loginProblem } from '../../../src/ssh/program/login-problem.ts';
import { fileProblem, judgeRun, showEnd } from '../../../src/transports/rsync/judge.ts';
import { localProblem } from '../../../src/transports/rsync/local-problem.ts';
import { ProgressWatch, stallLimitMs } from '../../../src/transports/rsync/progress.ts';
import { comparisonOf, createLineSplitter, unescapeName } from '../../../src/transports/rsync/output.ts';

// Recorded output of rsync 3.5.0 and 3.2.7, rrsync and OpenSSH 9.2, with the folder's name shortened.
const UNKNOWN = `rsync: on remote machine: --fsync: unknown option
rsync error: syntax or usage error (code 1) at main.c(1886) [server=3.5.0]
rsync: connection unexpectedly closed (0 bytes received so far) [sender]
rsync error: error in rsync protocol data stream (code 12) at io.c(285) [sender=3.5.0]`;
const NO_RSYNC = `bash: line 1: nonesuch: command not found
rsync: connection unexpectedly closed (0 bytes received so far) [sender]
rsync error: error in rsync protocol data stream (code 12) at io.c(285) [sender=3.5.0]`;
const FULL = `rsync: [receiver] write failed on "/d/x y/DC1/\\#134#123": No space left on device (28)
rsync error: error in file IO (code 11) at receiver.c(657) [receiver=3.5.0]`;
const NO_BASE = `rsync: [Receiver] mkdir "/d/x y/" failed: Operation not permitted (1)
rsync error: error in file IO (code 11) at main.c(808) [Receiver=3.5.0]`;
const BASE_IS_FILE = `rsync: [Receiver] mkdir "/d/x y/" failed: File exists (17)
rsync error: error in file IO (code 11) at main.c(808) [Receiver=3.5.0]`;
const IN_THE_WAY = `could not make way for new regular file: DC1/a
cannot delete non-empty directory: DC1/a
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]`;
const READ_ONLY = `rsync: [receiver] mkstemp "/d/x y/DC1/.*.CXtLFB" failed: Operation not permitted (1)
rsync: [receiver] mkstemp "/d/x y/DC1/.\\#134#123.ZwlZND" failed: Operation not permitted (1)
rsync: [receiver] mkstemp "/d/x y/DC1/.ab.eWefJf" failed: Operation not permitted (1)
rsync: [receiver] mkstemp "/d/x y/DC1/.new\\#012line.RMSNVe" failed: Operation not permitted (1)`;
const NO_FOLDER = `rsync: [generator] recv_generator: mkdir "/d/x y/DC1" failed: Operation not permitted (1)
rsync: [receiver] mkstemp "/d/x y/DC1/.a.XXXXXX" failed: No such file or directory (2)`;
const MASTER_GONE = `rsync: connection unexpectedly closed (0 bytes received so far) [sender]
rsync error: unexplained error (code 255) at io.c(285) [sender=3.5.0]`;
const NO_SESSION = `mux_client_request_session: session request failed: Session open refused by peer
rsync: connection unexpectedly closed (0 bytes received so far) [sender]
rsync error: unexplained error (code 255) at io.c(285) [sender=3.5.0]`;
const NOTHING = `rsync: connection unexpectedly closed (0 bytes received so far) [sender]
rsync error: error in rsync protocol data stream (code 12) at io.c(285) [sender=3.5.0]`;
const RRSYNC = `/usr/bin/rrsync error: unsafe arg: ././ ['/d/.', '/d']
rsync error: error in rsync protocol data stream (code 12) at io.c(285) [sender=3.5.0]`;
const BUSY = `/usr/bin/rrsync error: Another instance of rrsync is already accessing this directory.`;

it.each([
  ['utimes', 'failed to set times on "/d/DC1/.a.XXXXXX": Operation not permitted (1)', 'set the times'],
  ['chmod', 'failed to set permissions on "/d/DC1/.a.XXXXXX": Operation not permitted (1)', 'change the permissions'],
  ['open', 'mkstemp "/d/DC1/.a.XXXXXX" failed: Permission denied (13)', 'right to write'],
])('a file of which %s is denied has the cure for that', (_call, line, cure) =>
  expect(fileProblem(`rsync: [receiver] ${line}`, 'DC1/a', 'rsync://x')?.hint).toContain(cure),
);

// What rsync 3.5.0 says of a disk that it fetches to, and of the other end.
it.each([
  ['a full disk here', '[receiver] write failed on "/s/DC1/big": No space left on device (28)', 'ENOSPC'],
  ['a quota here', '[receiver] write failed on "/s/DC1/big": Disk quota exceeded (122)', 'EDQUOT'],
  ['a read-only disk here', '[Receiver] mkdir "/s/" failed: Read-only file system (30)', 'EROFS'],
  [
    'a right that is missing here',
    '[generator] recv_generator: mkdir "/s/DC1" failed: Permission denied (13)',
    'EACCES',
  ],
  ['a full disk here, from rsync 3.1', 'write failed on "/s/DC1/big": No space left on device (28)', 'ENOSPC'],
  ['a right that is missing there', '[sender] send_files failed to open "/d/DC1/a": Permission denied (13)', undefined],
  ['the same, from rsync 3.1', 'send_files failed to open "/d/DC1/a": Permission denied (13)', undefined],
  ['a line that is cut', '[receiver] write error: Broken pipe', undefined],
])('%s: is it the disk here?', (_what, line, code) =>
  expect(
    systemErrorCode(
      localProblem({ stderr: `rsync: ${line}\nrsync error: error in file IO (code 11) at receiver.c(657)` }),
    ),
  ).toBe(code),
);

describe('how a run ended', () => {
  it.each([
    ['success', 0, '', { kind: 'files' }],
    ['some files failed', 23, IN_THE_WAY, { kind: 'files' }],
    ['a full disk', 11, FULL, { kind: 'connection', class: 'destination-full' }],
    ['a destination that cannot be created', 11, NO_BASE, { kind: 'connection', class: 'auth' }],
    ['a destination that is a file', 11, BASE_IS_FILE, { kind: 'connection', class: 'auth' }],
    ['an input or output error', 11, 'rsync: [receiver] close failed', { kind: 'stopped' }],
    ['an older rsync at the destination', 12, UNKNOWN, { kind: 'refused', options: ['fsync'] }],
    ['no rsync at the destination', 12, NO_RSYNC, { kind: 'connection', class: 'auth' }],
    ['rrsync refuses', 12, RRSYNC, { kind: 'connection', class: 'auth' }],
    ['rrsync is busy', 12, BUSY, { kind: 'connection', class: 'network' }],
    ['the master has ended', 255, MASTER_GONE, { kind: 'connection', class: 'network' }],
    [
      'no further session',
      255,
      NO_SESSION,
      { kind: 'connection', state: expect.stringContaining('no further session') as unknown },
    ],
    [
      'a login shell that runs nothing',
      12,
      NOTHING,
      { kind: 'connection', class: 'network', hint: expect.stringContaining('login shell') as unknown },
    ],
    ['the stream broke', 12, '', { kind: 'connection', class: 'network' }],
    ['silence', 30, 'rsync error: timeout in data send/receive (code 30)', { kind: 'connection', class: 'network' }],
    ['a signal', undefined, '', { kind: 'connection', class: 'network' }],
    ['a usage error', 1, 'rsync: --x: unknown option', { kind: 'connection', class: 'auth' }],
  ] as const)('%s', (_title, exitCode, stderr, wanted) => expect(judgeRun({ exitCode, stderr })).toMatchObject(wanted));
});

describe('a run that stood still', () => {
  const stalled = { exitCode: undefined, stalledMs: 10_000 };
  it.each([
    ['what it said of files is true', READ_ONLY, { kind: 'stopped' }],
    ['a full disk', FULL, { kind: 'connection', class: 'destination-full' }],
    [
      'without a word',
      '',
      { kind: 'connection', class: 'network', state: 'rsync made no progress for 10 s, and was ended' },
    ],
  ])('%s', (_title, stderr, wanted) => expect(judgeRun({ ...stalled, stderr })).toMatchObject(wanted));
  it('is told with what it said', () => {
    expect(showEnd({ ...stalled, stderr: 'rsync: x' })).toBe(
      'rsync made no progress for 10 s, and was ended: rsync: x',
    );
    expect(showEnd({ exitCode: 23, stderr: '' })).toBe('rsync ended with 23');
  });
});

describe('progress', () => {
  it('is bytes, but not those of keep-alives', () => {
    const progress = new ProgressWatch(0);
    expect(progress.note(1000, 10)).toBe(0);
    expect(progress.note(1016, 50)).toBe(40);
    expect(progress.note(1400, 90)).toBe(80);
    expect(progress.note(1513, 100)).toBe(0);
    expect(progress.note(0, 150)).toBe(50);
  });
  it('is awaited longer where a big file is read or synced, and less long after an error', () => {
    const limits = { quietMs: 60_000, afterErrorMs: 10_000 };
    expect(stallLimitMs(limits, { largestBytes: 0, hasErrors: false })).toBe(60_000);
    expect(stallLimitMs(limits, { largestBytes: 0, hasErrors: true })).toBe(10_000);
    expect(stallLimitMs(limits, { largestBytes: 1e9, hasErrors: false })).toBe(160_000);
  });
});

describe('why one file was not confirmed', () => {
  it.each([
    ['a directory in its place', IN_THE_WAY, 'DC1/a', 'file'],
    ['not named', IN_THE_WAY, 'DC1/aa', undefined],
    ['read-only folder', READ_ONLY, 'DC1/ab', 'file'],
    ['a name that begins like another', READ_ONLY, 'DC1/a', undefined],
    ['an escaped name', READ_ONLY, 'DC1/new\nline', 'file'],
    ['a name like an escape', READ_ONLY, 'DC1/\\#123', 'file'],
    ['a folder that cannot be created', NO_FOLDER, 'DC1/a', 'file'],
  ])('%s', (_title, stderr, target, errorClass) =>
    expect(fileProblem(stderr, target, 'there')?.class).toBe(errorClass),
  );
});

describe('logins', () => {
  it.each([
    ['root@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).', 'auth', 'the login was refused'],
    ['ssh: connect to host 127.0.0.1 port 1: Connection refused', 'network', 'Connection refused'],
    [
      'No ED25519 host key is known for [h]:1 and you have requested strict checking.\nHost key verification failed.',
      'auth',
      'is unknown',
    ],
    ['@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.', 'auth', 'CHANGED'],
    ['ssh: Could not resolve hostname nonesuch.invalid: Name or service not known', 'network', 'cannot be resolved'],
    ['', 'network', 'ssh ended'],
  ])('%s', (stderr, errorClass, words) => {
    const { error: problem } = loginProblem(stderr, { where: 'me@h', byHand: 'ssh h', knownHosts: '/k' });
    expect(problem.class).toBe(errorClass);
    expect(problem.message).toContain(words);
  });
});

/** Escapes as rsync's log.c does with -8. */
const escape = (bytes: Buffer): Buffer => {
  const parts = [...bytes].map((byte, at) => {
    const likeEscape = byte === 0x5c && /^\\#\d{3}/.test(bytes.toString('latin1', at, at + 5));
    return (byte < 0x20 && byte !== 9) || byte === 0x7f || likeEscape
      ? Buffer.from(`\\#${byte.toString(8).padStart(3, '0')}`)
      : Buffer.from([byte]);
  });
  return Buffer.concat(parts);
};

describe('names in the output', () => {
  it('come back byte for byte', () => {
    const hostile = fc.array(fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constantFrom(0x5c, 0x23, 0x31, 0x0a)), {
      minLength: 1,
    });
    fc.assert(
      fc.property(hostile, fc.array(fc.nat(40)), (bytes, cuts) => {
        const name = Buffer.from(bytes);
        const line = Buffer.concat([Buffer.from('.f         |'), escape(name), Buffer.from('\n')]);
        const seen: string[] = [];
        const split = createLineSplitter((one) => seen.push(comparisonOf(one)?.name ?? ''));
        let from = 0;
        for (const cut of [...cuts, line.length]) {
          split(line.subarray(from, from + cut));
          from += cut;
        }
        expect(seen.map((one) => encodeName(one))).toEqual([name]);
      }),
    );
  });

  it.each([
    ['.f         |DC1/a', 'same'],
    ['<f+++++++++|DC1/a', 'missing'],
    ['<f.s.......|DC1/a', 'size'],
    ['<fcs.......|DC1/a', 'size'],
    ['<f..t......|DC1/a', 'time'],
    ['.f..t......|DC1/a', 'time'],
    ['<fc........|DC1/a', 'content'],
    ['cd+++++++++|DC1/a', 'other'],
  ])('%s', (line, verdict) => expect(comparisonOf(Buffer.from(line))).toEqual({ name: 'DC1/a', verdict }));

  it('ignores every other line', () => {
    for (const line of ['created directory /x', 'sent 1 bytes', '']) {
      expect(comparisonOf(Buffer.from(line))).toBeUndefined();
    }
    expect(unescapeName(Buffer.from([0xff, 0x20]))).toBe(decodeName(Buffer.from([0xff, 0x20])));
  });
});
