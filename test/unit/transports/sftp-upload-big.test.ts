import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { Extension } from '../../../src/sftp/protocol.ts';
import type { SftpClient } from '../../../src/sftp/client.ts';
import { OpenFlag, Status } from '../../../src/sftp/protocol.ts';
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
    has: (extension: string) => extension !== Extension.COMMIT,
    lstat: () => Promise.resolve(undefined),
    open: async () => {
      const handle = await open();
      handles += 1;
      return handle;
    },
    write: () => Promise.resolve(),
    fstat: () => Promise.resolve({ size: SIZE }),
    fsetstat: () => Promise.resolve(),
    close: () => {
      handles -= 1;
      return close();
    },
  };
  return { channel: channel as unknown as SftpClient, handles: () => handles };
};

type Counting = ReturnType<typeof countingChannel>;

const SIZE = 8 * 1024 * 1024;

/** Sends a file of 8 MiB over these channels. */
const upload = async (counting: readonly [Counting, ...Counting[]]): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-big-'));
  try {
    writeFileSync(join(folder, 'file'), '');
    truncateSync(join(folder, 'file'), SIZE);
    await uploadIn(folder, counting);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** The same with the file in this folder, where checkpoints stay. */
const uploadIn = async (folder: string, counting: readonly [Counting, ...Counting[]]): Promise<void> => {
  const path = join(folder, 'file');
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
      fstat: () => Promise.resolve({ size: SIZE }),
      fsetstat: () => Promise.resolve(),
      posixRename: () => Promise.resolve(void asked.push('rename')),
    });
    await upload([{ channel, handles }]);
    expect(asked).toEqual(['fsync', 'rename']);
  } finally {
    vi.useRealTimers();
  }
});

it('what is known to be there is not sent again, though it does not begin at the start and the account may not read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-parts-'));
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    writeFileSync(join(folder, 'file'), '');
    truncateSync(join(folder, 'file'), SIZE);
    const lost = Promise.withResolvers<undefined>();
    const sent: number[] = [];
    const first = countingChannel(openHandle);
    Object.assign(first.channel, {
      // The first WRITE is never answered; all others are, and a checkpoint follows.
      write: (_handle: Buffer, offset: number) => {
        if (offset === 0) return lost.promise;
        if (offset >= SIZE / 2) lost.reject(new Error('the connection was lost'));
        return Promise.resolve(vi.advanceTimersByTime(11_000));
      },
      fsync: () => Promise.resolve(),
    });
    await expect(uploadIn(folder, [first])).rejects.toThrow('the connection was lost');
    const second = countingChannel(openHandle);
    const denied = new SftpStatusError(Status.PERMISSION_DENIED, 'Permission denied');
    Object.assign(second.channel, {
      lstat: () => Promise.resolve({ size: SIZE }),
      open: (_path: string, flags: number) => (flags === OpenFlag.READ ? Promise.reject(denied) : openHandle()),
      write: (_handle: Buffer, offset: number, chunk: Buffer) => {
        for (let at = offset; at < offset + chunk.length; at += 1000) sent.push(at);
        return Promise.resolve();
      },
      fsync: () => Promise.resolve(),
      fstat: () => Promise.resolve({ size: SIZE }),
      fsetstat: () => Promise.resolve(),
      posixRename: () => Promise.resolve(),
    });
    await uploadIn(folder, [second]);
    expect(sent).toContain(0);
    expect(sent.length * 1000).toBeLessThan(0.7 * SIZE);
    expect(sent.filter((at) => at > 64_000 && at < SIZE / 4)).toEqual([]);
  } finally {
    vi.useRealTimers();
    rmSync(folder, { recursive: true });
  }
});
