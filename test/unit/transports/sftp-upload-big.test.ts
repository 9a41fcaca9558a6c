import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import { Status } from '../../../src/sftp/protocol.ts';
import { SftpStatusError } from '../../../src/sftp/replies.ts';
import type { Channels } from '../../../src/transports/sftp/channels.ts';
import { Checkpoints } from '../../../src/transports/sftp/checkpoints.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';
import { createSession } from '../../../src/transports/sftp/session.ts';
import { createTemporaryNames } from '../../../src/transports/sftp/temporary-names.ts';
import { uploadBig } from '../../../src/transports/sftp/upload-big.ts';

/** A channel that counts its open handles and ignores writes. */
const countingChannel = (open: () => Promise<Buffer>, close: () => Promise<void> = () => Promise.resolve()) => {
  let handles = 0;
  const channel = {
    limits: { write: 32_000, handles: 0 },
    handlesAtOnce: Infinity,
    has: () => true,
    lstat: () => Promise.resolve(undefined),
    open: async () => {
      const handle = await open();
      handles += 1;
      return handle;
    },
    write: () => Promise.resolve(),
    close: () => {
      handles -= 1;
      return close();
    },
  };
  return { channel: channel as unknown as SftpClient, handles: () => handles };
};

type Counting = ReturnType<typeof countingChannel>;

/** Sends a file of 8 MiB over these channels. */
const upload = async (counting: readonly [Counting, ...Counting[]]): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-big-'));
  try {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    truncateSync(path, 8 * 1024 * 1024);
    const all = counting.map(({ channel }) => channel);
    const channels = {
      all,
      roundTripMs: 1,
      onGrowth: () => undefined,
      leastBusy: () => counting[0].channel,
    } as unknown as Channels;
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
    const checkpoints = new Checkpoints(`${folder}/checkpoints`, createTemporaryNames('o'));
    await uploadBig(session, file, 'f', checkpoints.begin(file), new AbortController().signal);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const openHandle = () => Promise.resolve(Buffer.from('handle'));

it('closes the handles of the other channels when one cannot open a striped file', async () => {
  const slow = Promise.withResolvers<Buffer>();
  const channels: [Counting, Counting, Counting] = [
    countingChannel(openHandle),
    countingChannel(() => {
      queueMicrotask(() => slow.resolve(Buffer.from('third')));
      return Promise.reject(new Error('too many handles'));
    }),
    countingChannel(() => slow.promise),
  ];
  await expect(upload(channels)).rejects.toThrow('too many handles');
  expect(channels.map(({ handles }) => handles())).toEqual([0, 0, 0]);
});

it('closes each handle once when a channel fails to close a striped file', async () => {
  const channels: [Counting, Counting] = [
    countingChannel(openHandle),
    countingChannel(openHandle, () => Promise.reject(new Error('quota exceeded'))),
  ];
  await expect(upload(channels)).rejects.toThrow('quota exceeded');
  expect(channels.map(({ handles }) => handles())).toEqual([0, 0]);
});

it('goes on without checkpoints where the server announces fsync and refuses it', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const denied = new SftpStatusError(Status.PERMISSION_DENIED, 'Permission denied');
    const { channel, handles } = countingChannel(openHandle);
    const asked: string[] = [];
    Object.assign(channel, {
      // Each WRITE takes longer than a checkpoint is apart from the next.
      write: () => Promise.resolve(vi.advanceTimersByTime(11_000)),
      fsync: () => (asked.push('fsync'), Promise.reject(denied)),
      fstat: () => Promise.resolve({ size: 8 * 1024 * 1024 }),
      fsetstat: () => Promise.resolve(),
      posixRename: () => Promise.resolve(void asked.push('rename')),
    });
    await upload([{ channel, handles }]);
    expect(asked).toEqual(['fsync', 'rename']);
  } finally {
    vi.useRealTimers();
  }
});
