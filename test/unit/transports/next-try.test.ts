import { expect, it } from 'vitest';
import { cannotFinish } from '../../../src/source/directory-failures.ts';
import { Status } from '../../../src/sftp/protocol.ts';
import type { SftpClient } from '../../../src/sftp/client.ts';
import { SftpStatusError } from '../../../src/sftp/replies.ts';
import { fileProblem, judgeRun } from '../../../src/transports/rsync/judge.ts';
import { refusedMkdir } from '../../../src/transports/sftp/mkdir-error.ts';
import { createFindTrouble, orDoesNotFit, toTransportError } from '../../../src/transports/sftp/server-errors.ts';
import { toSourceError } from '../../../src/transports/sftp/source.ts';
import { TransportError } from '../../../src/transport.ts';

const hintOf = (error: unknown): string | undefined =>
  error instanceof TransportError ? error.hint : (error as { hint?: string } | undefined)?.hint;

// A scan ends: nothing goes on by itself then.
it('a hint is true of a scan and of the daemon: it names the next try, and the next run', async () => {
  const full = new SftpStatusError(Status.NO_SPACE_ON_FILESYSTEM, 'no space');
  const channel = { has: () => false, space: () => Promise.resolve({ free: 1e9, freeInodes: 0, inodes: 0 }) };
  const client = channel as unknown as SftpClient;
  const failed = { action: 'send "a"', destination: 'there', folder: '/d' };
  const asked = await toTransportError(full, client, failed);
  const line = 'rsync: [receiver] write failed on "/d/DC1/a": No space left on device (28)';
  const onDisk = (code: string): Error => Object.assign(new Error(code), { code });
  const errors = [
    asked,
    await orDoesNotFit(asked, client, failed, 2e9),
    await refusedMkdir(full, '/d/x', { channel: client, parent: '/d', base: '/d', findTrouble: createFindTrouble() }),
    judgeRun({ exitCode: 11, stderr: line }),
    fileProblem(line, 'DC1/a', 'there'),
    toSourceError(onDisk('EAGAIN'), { sourcePath: '/s/a' }),
    cannotFinish('DC1', onDisk('ENOSPC')),
  ];
  for (const hint of errors.map(hintOf)) expect(hint).toMatch(/the next try of the daemon, or the next run/);
});
