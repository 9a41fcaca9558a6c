import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import type { Channels } from '../../../src/transports/sftp/channels.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';
import { createSession, isHeldTime } from '../../../src/transports/sftp/session.ts';
import { uploadSmall } from '../../../src/transports/sftp/upload-small.ts';

/** A slow server: each burst waits until the test answers it. */
const slowChannel = () => {
  const unanswered: (() => void)[] = [];
  const channel = {
    limits: { write: 32_000, handles: 0 },
    handlesAtOnce: Infinity,
    has: () => true,
    open: () => Promise.resolve(Buffer.from('handle')),
    burst: () => new Promise<void>((resolve) => unanswered.push(resolve)),
    posixRename: () => Promise.resolve(),
  };
  return { channel: channel as unknown as SftpClient, unanswered };
};

it.each([
  { connection: 'of low latency', channels: 1, roundTripMs: 0.5, kib: 4, inFlight: 74 },
  { connection: 'of low latency', channels: 1, roundTripMs: 0.5, kib: 128, inFlight: 3 },
  { connection: 'of 4 ms', channels: 1, roundTripMs: 4, kib: 128, inFlight: 6 },
  { connection: 'of low latency, durable', channels: 4, roundTripMs: 0.5, kib: 128, inFlight: 13 },
  { connection: 'of high latency', channels: 8, roundTripMs: 200, kib: 128, inFlight: 100 },
])('of 100 files of $kib KiB, $inFlight are in flight on a connection $connection', async (given) => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-session-'));
  try {
    const path = join(folder, 'file');
    writeFileSync(path, Buffer.alloc(given.kib * 1024));
    const { channel, unanswered } = slowChannel();
    const channels = {
      all: Array<SftpClient>(given.channels).fill(channel),
      roundTripMs: given.roundTripMs,
      onGrowth: () => undefined,
    };
    const options = parseSftpOptions({ transport: 'sftp', host: 'h', path: '/d' });
    const context = {
      site: 's',
      owner: 'o',
      durable: false,
      bandwidth: null,
      stateFolder: folder,
      log: () => undefined,
    };
    const session = createSession(channels as unknown as Channels, options, context, 'label');
    const file = { sourcePath: path, targetPath: 'DC1/f', mode: 0o644, identity: statSync(path, { bigint: true }) };
    const sends = Array.from({ length: 100 }, () =>
      uploadSmall(session, channel, file, '.part', 'f', new AbortController().signal),
    );
    let answered = 0;
    while (answered < 100) {
      await vi.waitFor(() => expect(unanswered.length).toBe(Math.min(given.inFlight, 100 - answered)), { interval: 1 });
      for (const answer of unanswered.splice(0)) {
        answer();
        answered += 1;
      }
    }
    await Promise.all(sends);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('a time that SFTP, or the file system there, cannot hold is the nearest that it can', () => {
  expect(isHeldTime(-5, 0)).toBe(true);
  expect(isHeldTime(5, 0)).toBe(false);
  expect(isHeldTime(5_679_936_000, 0xffff_ffff)).toBe(true);
  expect(isHeldTime(4_102_444_800, 0x7fff_ffff)).toBe(true);
  expect(isHeldTime(1_700_000_000, 0x7fff_ffff)).toBe(false);
  expect(isHeldTime(1_700_000_000, undefined)).toBe(false);
});
