import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSftpClient } from '../../../src/sftp/client.ts';
import { Extension, Packet, Status } from '../../../src/sftp/protocol.ts';
import type { OutgoingFile } from '../../../src/transport.ts';
import { Checkpoints } from '../../../src/transports/sftp/checkpoints.ts';
import type { Channels } from '../../../src/transports/sftp/channels.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';
import { sendFile } from '../../../src/transports/sftp/send-file.ts';
import { createSession } from '../../../src/transports/sftp/session.ts';
import { createTemporaryNames } from '../../../src/transports/sftp/temporary-names.ts';
import { uploadSmall } from '../../../src/transports/sftp/upload-small.ts';
import { startPeer } from '../../support/sftp-peer.ts';

const SIZE = 100_000;
let folder: string;
let file: OutgoingFile;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-stepwise-'));
  const sourcePath = join(folder, 'file');
  writeFileSync(sourcePath, Buffer.alloc(SIZE, 7));
  file = { sourcePath, targetPath: 'DC1/f', mode: 0o644, identity: statSync(sourcePath, { bigint: true }) };
});
afterAll(() => rmSync(folder, { recursive: true }));

interface ServerOptions {
  readonly extensions?: readonly string[];
  readonly refuses?: readonly number[];
  readonly size?: number;
  /** Answered with FAILURE so many times. */
  readonly failsAtFirst?: { readonly type: number; readonly times: number };
}

/**
 * A server that works at requests side by side and answers each one turn later. Returns what it was asked, with `!` where an earlier
 * request of the same file had no answer yet.
 */
const connect = async ({
  extensions = [Extension.FSYNC],
  refuses = [],
  size = SIZE,
  failsAtFirst,
}: ServerOptions = {}) => {
  let failures = failsAtFirst?.times ?? 0;
  const asked: string[] = [];
  const unanswered = new Set<number>();
  const names = new Map<number, string>(Object.entries(Packet).map(([name, type]) => [type, name]));
  const peer = startPeer(extensions, ({ type, id, fields }, us) => {
    if (type === Packet.EXTENDED && fields.text() === Extension.LIMITS) return us.status(id, Status.FAILURE);
    const ordered = type === Packet.WRITE || unanswered.size === 0;
    const name = names.get(type) ?? '';
    if (type !== Packet.WRITE || asked.at(-1) !== 'WRITE') asked.push(ordered ? name : `${name}!`);
    unanswered.add(id);
    setImmediate(() => {
      unanswered.delete(id);
      if (type === failsAtFirst?.type && failures > 0) {
        failures -= 1;
        us.status(id, Status.FAILURE);
      } else if (refuses.includes(type)) us.status(id, Status.OP_UNSUPPORTED);
      else if (type === Packet.OPEN) us.handle(id, Buffer.from([0, 0, 0, 1]));
      else if (type === Packet.FSTAT) us.size(id, size);
      else us.status(id);
    });
  });
  const client = await openSftpClient(peer.channel);
  const channels = {
    all: [client],
    roundTripMs: 1,
    onGrowth: () => undefined,
    leastBusy: () => client,
  } as unknown as Channels;
  const options = parseSftpOptions({ transport: 'sftp', host: 'h', path: '/d' });
  const log: string[] = [];
  const context = {
    site: 's',
    owner: 'o',
    durable: true,
    bandwidth: null,
    stateFolder: folder,
    log: (_level: string, message: string) => void log.push(message),
  };
  const session = createSession(channels, options, context, 'label');
  return {
    asked,
    log,
    send: () => uploadSmall(session, client, file, '/d/.part', '/d/f', new AbortController().signal),
    sendWhole: () => {
      const names = createTemporaryNames('o');
      const temporaries = { names, checkpoints: new Checkpoints(folder, names) };
      return sendFile(session, file, temporaries, new AbortController().signal);
    },
  };
};

it('a server that does not prove that it keeps the order gets each step after the reply to the one before', async () => {
  const { asked, send } = await connect();
  await send();
  expect(asked).toEqual(['OPEN', 'WRITE', 'FSETSTAT', 'FSTAT', 'EXTENDED', 'CLOSE', 'RENAME']);
});

it('a server that refuses FSETSTAT gets the times by name, and is not asked again', async () => {
  const { asked, send } = await connect({ refuses: [Packet.FSETSTAT] });
  await send();
  expect(asked).toEqual(['OPEN', 'WRITE', 'FSETSTAT', 'SETSTAT', 'FSTAT', 'EXTENDED', 'CLOSE', 'RENAME']);
  asked.length = 0;
  await send();
  expect(asked).toEqual(['OPEN', 'WRITE', 'SETSTAT', 'FSTAT', 'EXTENDED', 'CLOSE', 'RENAME']);
});

it('a size that FSTAT tells otherwise: the file does not get its final name', async () => {
  const { asked, send } = await connect({ size: 5 });
  await expect(send()).rejects.toMatchObject({
    class: 'network',
    message: expect.stringContaining('has 5') as unknown,
  });
  expect(asked).not.toContain('RENAME');
  expect(asked.slice(-2)).toEqual(['CLOSE', 'REMOVE']);
});

it('a server that refuses times by handle and by name: that is told, and the file does not get its final name', async () => {
  const { asked, send } = await connect({ refuses: [Packet.FSETSTAT, Packet.SETSTAT] });
  await expect(send()).rejects.toMatchObject({
    class: 'file',
    message: expect.stringContaining('the server refuses to set its time and permissions') as unknown,
    hint: expect.stringContaining('SETSTAT') as unknown,
  });
  expect(asked).not.toContain('RENAME');
  expect(asked.slice(-2)).toEqual(['CLOSE', 'REMOVE']);
});

it('FAILURE, which says nothing of the reason: the file is sent once more, and not twice', async () => {
  const once = await connect({ failsAtFirst: { type: Packet.FSTAT, times: 1 } });
  await once.sendWhole();
  expect(once.asked.filter((name) => name === 'REMOVE' || name === 'RENAME')).toEqual(['REMOVE', 'RENAME']);
  const always = await connect({ failsAtFirst: { type: Packet.FSTAT, times: 100 } });
  await expect(always.sendWhole()).rejects.toThrow();
  expect(always.asked.filter((name) => name === 'REMOVE' || name === 'RENAME')).toEqual(['REMOVE', 'REMOVE']);
});
