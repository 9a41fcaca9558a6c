import { KeyObject, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { expect, it, vi } from 'vitest';
import { prepareCiphers } from '../../src/ssh/internals/ciphers.ts';
import { openSftpClient } from '../../src/sftp/client.ts';
import { createPacketSplitter } from '../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../src/sftp/packet-writer.ts';
import { OpenFlag, Packet, SFTP_VERSION } from '../../src/sftp/protocol.ts';
import { INITIAL_WINDOW_BYTES } from '../../src/sftp/receive-window.ts';
import { listEntries as listFolder } from '../../src/transports/sftp/list-folder.ts';
import { withSmallWindow } from '../../src/ssh/internals/channel-window.ts';
import { startSshd } from '../support/sshd.ts';

const connect = async (config: readonly string[] = []) => {
  const stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-client-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const server = stack.use(await startSshd(folder, { config }));
  const client = stack.adopt(new ssh2.Client(), (open) => void open.end());
  prepareCiphers(client);
  let exchanges = 0;
  client.on('handshake', () => {
    exchanges += 1;
  });
  const privateKey = readFileSync(server.identityFile);
  client.connect({ host: '127.0.0.1', port: server.port, username: 'root', privateKey });
  await once(client, 'ready');
  const open = async (windowBytes = INITIAL_WINDOW_BYTES) => {
    let windowOf: ReturnType<typeof withSmallWindow>;
    const subsystem = promisify((done: ssh2.ClientCallback) => {
      windowOf = withSmallWindow(client, windowBytes, () => client.subsys('sftp', done));
    });
    const raw = await subsystem();
    const window = windowOf?.(raw);
    if (window === undefined) throw new Error('this version of ssh2 lacks the fields of its windows');
    return { raw, window };
  };
  const { raw, window } = await open();
  const channel = await openSftpClient(raw, window);
  return {
    client,
    open,
    channel,
    window,
    folder: server.folder,
    path: `${server.path}/file`,
    exchanges: () => exchanges,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};

it('a burst resolves when all of its commands are done', async () => {
  await using connection = await connect();
  const { channel, path } = connection;
  const handle = await channel.open(path, OpenFlag.WRITE | OpenFlag.CREAT, { permissions: 0o600 });
  await channel.burst((commands) => {
    commands.write(handle, 0, Buffer.from('one'));
    commands.write(handle, 3, Buffer.from('two'));
    commands.fsetstat(handle, { permissions: 0o640, atime: 1, mtime: 2 });
    commands.close(handle);
  });
  expect(channel.pending).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe('onetwo');
  expect(await channel.lstat(path)).toMatchObject({ size: 6, permissions: 0o100640, mtime: 2 });
});

it('a burst rejects with its first failure, once the last command is answered', async () => {
  await using connection = await connect();
  const { channel, path } = connection;
  await channel.close(await channel.open(path, OpenFlag.WRITE | OpenFlag.CREAT, {}));
  const handle = await channel.open(path, OpenFlag.READ, {});
  const sent = channel.burst((commands) => {
    commands.write(handle, 0, Buffer.from('not for writing'));
    commands.close(handle);
    commands.close(handle);
  });
  const failure: unknown = await sent.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ name: 'SftpStatusError' });
  expect(channel.pending).toBe(0);
  channel.destroy();
  await expect(channel.burst((commands) => commands.close(handle))).rejects.toThrow('closed');
});

it('the keys of both directions are replaced after every key exchange, and the content is intact', async () => {
  await using connection = await connect(['RekeyLimit 1M']);
  const { client, channel, path, exchanges } = connection;
  const content = randomBytes(6 * 1024 * 1024);
  const handle = await channel.open(path, OpenFlag.WRITE | OpenFlag.CREAT, {});
  const offsets = Array.from({ length: Math.ceil(content.length / 32_000) }, (_, chunk) => chunk * 32_000);
  await Promise.all(offsets.map((offset) => channel.write(handle, offset, content.subarray(offset, offset + 32_000))));
  await channel.close(handle);
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(exchanges()).toBeGreaterThan(2);
  // Private fields of ssh2: fails if a new version of it has others.
  expect(client).toMatchObject({
    _protocol: {
      _cipher: { _encKey: expect.any(KeyObject) as unknown },
      _decipher: { _decipherKey: expect.any(KeyObject) as unknown },
    },
  });
});

it('the server sends what the window allows, and not a byte more until it is granted', async () => {
  await using connection = await connect();
  const { raw, window } = await connection.open(1000);
  let got = 0;
  let replies = 0;
  const split = createPacketSplitter(() => {
    replies += 1;
  });
  raw.on('data', (chunk: Buffer) => {
    got += chunk.length;
    split(chunk);
  });
  const packets = new PacketWriter();
  packets.begin(Packet.INIT).u32(SFTP_VERSION).end();
  for (let id = 0; id < 500; id += 1) packets.begin(Packet.LSTAT).u32(id).name('/').end();
  raw.write(Buffer.from(packets.take()));
  await vi.waitFor(() => expect(window.remaining).toBe(0));
  expect(got).toBe(1000);
  window.grant(2345);
  await vi.waitFor(() => expect(window.remaining).toBe(0));
  expect(got).toBe(3345);
  window.setUnlimited();
  await vi.waitFor(() => expect(replies).toBe(501));
  raw.destroy();
});

it.each(['a limited window', 'an unlimited window'])(
  'concurrent short replies, listings and content are intact: %s',
  async (kind) => {
    await using connection = await connect();
    const { channel, folder, path } = connection;
    if (kind === 'an unlimited window') channel.setWindowUnlimited();
    const content = randomBytes(3 * 1024 * 1024);
    writeFileSync(path, content);
    mkdirSync(`${folder}/many`);
    const names = Array.from({ length: 2000 }, (_, index) => `${'name'.repeat(40)}${index}`);
    for (const name of names) writeFileSync(`${folder}/many/${name}`, '');
    const list = async (): Promise<string[]> => {
      const listed: string[] = [];
      for await (const entries of listFolder(channel, `${folder}/many`, false))
        listed.push(...entries.map(({ name }) => name));
      return listed.filter((name) => !name.startsWith('.'));
    };
    const readAll = async (): Promise<Buffer> => {
      const handle = await channel.open(path, OpenFlag.READ, {});
      const offsets = Array.from({ length: Math.ceil(content.length / 32_000) }, (_, chunk) => chunk * 32_000);
      const chunks = await Promise.all(offsets.map((offset) => channel.read(handle, offset, 32_000)));
      await channel.close(handle);
      return Buffer.concat(chunks.map((chunk) => chunk ?? Buffer.alloc(0)));
    };
    const statAll = (): Promise<unknown[]> => Promise.all(names.map((name) => channel.lstat(`${folder}/many/${name}`)));
    const [listed, read, attributes] = await Promise.all([list(), readAll(), statAll()]);
    expect(listed.toSorted()).toEqual(names.toSorted());
    expect(read.equals(content)).toBe(true);
    expect(attributes.filter((found) => found !== undefined)).toHaveLength(names.length);
  },
);

it('output on stderr does not use up the window', async () => {
  await using connection = await connect();
  const { client } = connection;
  let windowOf: ReturnType<typeof withSmallWindow>;
  const exec = promisify((done: ssh2.ClientCallback) => {
    windowOf = withSmallWindow(client, 1000, () => client.exec('head -c 50000 /dev/zero >&2; echo done', done));
  });
  const channel = await exec();
  const window = windowOf?.(channel);
  const [output] = (await once(channel, 'data')) as [Buffer];
  expect(output.toString()).toBe('done\n');
  expect(window?.remaining).toBe(1000 - output.length);
});

it('without the fields of ssh2, a channel has the window that ssh2 gives it', () => {
  let opened = 0;
  const windowOf = withSmallWindow(new ssh2.Client(), 1000, () => {
    opened += 1;
  });
  expect(windowOf).toBeUndefined();
  expect(opened).toBe(1);
});
