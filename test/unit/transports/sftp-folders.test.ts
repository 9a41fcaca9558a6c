import { expect, it } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import { Extension, Status } from '../../../src/sftp/protocol.ts';
import { SftpStatusError } from '../../../src/sftp/replies.ts';
import { createFolders } from '../../../src/transports/sftp/folders.ts';

// rclone, and gateways to object stores, answer MKDIR of a folder that exists with "OK": what an earlier run left may be in it.
it.each([
  ['OpenSSH', [Extension.LIMITS], true],
  ['an unknown server', [], false],
] as const)('what tidying may pass over: a folder that MKDIR has made, of %s', async (_server, extensions, isClean) => {
  const channel = {
    has: (extension: string) => (extensions as readonly string[]).includes(extension),
    mkdir: () => Promise.resolve(),
  };
  const folders = createFolders(() => channel as unknown as SftpClient, { durable: false, base: '/d' });
  await folders.ensure('/d/DC1')?.done;
  expect(folders.isClean('/d/DC1')).toBe(isClean);
});

// A drop box that the account may not read is one folder's matter; a server that opens no folder is known after a few.
it.each([
  [
    'one folder refused, others synced',
    ['/d/DC1'],
    ['/d/DC2', '/d/DC1', '/d/DC3', '/d/DC1'],
    ['/d/DC2', '/d/DC1', '/d/DC3'],
  ],
  ['all of them refused', ['/d/'], ['/d/a', '/d/b', '/d/c', '/d/d', '/d/e'], ['/d/a', '/d/b', '/d/c']],
] as const)('folders that are opened to sync them: %s', async (_what, refused, asked, opened) => {
  const opens: string[] = [];
  const told: string[] = [];
  const channel = {
    has: () => true,
    open: (path: string) => {
      opens.push(path);
      const isRefused = refused.some((one) => path.startsWith(one));
      return isRefused
        ? Promise.reject(new SftpStatusError(Status.PERMISSION_DENIED, 'no'))
        : Promise.resolve(Buffer.alloc(4));
    },
    fsync: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const folders = createFolders(() => channel as unknown as SftpClient, {
    durable: true,
    base: '/d',
    tell: (message) => told.push(message),
  });
  for (const folder of asked) await folders.sync(folder);
  expect(opens).toEqual(opened);
  expect(told.length).toBeGreaterThan(0);
});
