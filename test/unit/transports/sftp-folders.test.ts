import { expect, it } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import { Extension } from '../../../src/sftp/protocol.ts';
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
