import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import type { Channels } from '../../../src/transports/sftp/channels.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';
import { createSession } from '../../../src/transports/sftp/session.ts';
import { uploadSmall } from '../../../src/transports/sftp/upload-small.ts';

/** A server that takes its time: each burst waits until it is answered. */
const slowChannel = () => {
  const unanswered: (() => void)[] = [];
  const channel = {
    limits: { write: 32_000, handles: 0 },
    has: () => true,
    open: () => Promise.resolve(Buffer.from('handle')),
    burst: () => new Promise<void>((resolve) => unanswered.push(resolve)),
    posixRename: () => Promise.resolve(),
  };
  return { channel: channel as unknown as SftpClient, unanswered };
};

it.each([
  { line: 'near', channels: 1, roundTripMs: 0.5, kib: 4, underWay: 74 },
  { line: 'near', channels: 1, roundTripMs: 0.5, kib: 128, underWay: 3 },
  { line: 'of 4 ms', channels: 1, roundTripMs: 4, kib: 128, underWay: 6 },
  { line: 'near, durable', channels: 4, roundTripMs: 0.5, kib: 128, underWay: 13 },
  { line: 'long', channels: 8, roundTripMs: 200, kib: 128, underWay: 100 },
])('of 100 files of $kib KiB, $underWay are under way at once on a line that is $line', async (given) => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-session-'));
  try {
    const path = join(folder, 'file');
    writeFileSync(path, Buffer.alloc(given.kib * 1024));
    const { channel, unanswered } = slowChannel();
    const channels = { all: Array<SftpClient>(given.channels).fill(channel), roundTripMs: given.roundTripMs };
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
    const sends = Array.from({ length: 100 }, () => uploadSmall(session, channel, file, '.part', 'f'));
    let answered = 0;
    while (answered < 100) {
      await vi.waitFor(() => expect(unanswered.length).toBe(Math.min(given.underWay, 100 - answered)), { interval: 1 });
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
