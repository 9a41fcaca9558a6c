import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import type { Channels } from '../../../src/transports/sftp/channels.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';
import { openCheckpoint } from '../../../src/transports/sftp/resume.ts';
import { createSession } from '../../../src/transports/sftp/session.ts';
import { uploadBig } from '../../../src/transports/sftp/upload-big.ts';

/** A channel that counts its open handles and writes nothing. */
const countingChannel = (open: () => Promise<Buffer>) => {
  let handles = 0;
  const channel = {
    limits: { write: 32_000, handles: 0 },
    has: () => true,
    lstat: () => Promise.resolve(undefined),
    open: async () => {
      const handle = await open();
      handles += 1;
      return handle;
    },
    close: () => {
      handles -= 1;
      return Promise.resolve();
    },
  };
  return { channel: channel as unknown as SftpClient, handles: () => handles };
};

it('closes the handles of the other channels when one cannot open a striped file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-big-'));
  try {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    truncateSync(path, 8 * 1024 * 1024);
    const slow = Promise.withResolvers<Buffer>();
    const [first, second, third] = [
      countingChannel(() => Promise.resolve(Buffer.from('first'))),
      countingChannel(() => {
        queueMicrotask(() => slow.resolve(Buffer.from('third')));
        return Promise.reject(new Error('too many handles'));
      }),
      countingChannel(() => slow.promise),
    ];
    const all = [first, second, third].map(({ channel }) => channel);
    const channels = { all, roundTripMs: 1, leastBusy: () => first.channel } as unknown as Channels;
    const options = parseSftpOptions({ transport: 'sftp', host: 'h', path: '/d' });
    const context = {
      site: 's',
      owner: 'o',
      durable: false,
      bandwidth: null,
      stateFolder: folder,
      log: () => undefined,
    };
    const session = createSession(channels, options, context, 'label');
    const file = { sourcePath: path, targetPath: 'DC1/f', mode: 0o644, identity: statSync(path, { bigint: true }) };
    const checkpoint = openCheckpoint(folder, 'key');
    const sent = uploadBig(session, file, '.part', 'f', checkpoint, new AbortController().signal);
    await expect(sent).rejects.toThrow('too many handles');
    expect([first.handles(), second.handles(), third.handles()]).toEqual([0, 0, 0]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
