import { KeyObject, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { expect, it } from 'vitest';
import { prepareCipherKeys } from '../../src/cipher-keys.ts';
import { openSftpClient } from '../../src/sftp/client.ts';
import { OpenFlag } from '../../src/sftp/protocol.ts';
import { startSshd } from '../support/sshd.ts';

const connect = async (config: readonly string[] = []) => {
  const stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-client-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  const server = stack.use(await startSshd(folder, { config }));
  const client = stack.adopt(new ssh2.Client(), (open) => void open.end());
  prepareCipherKeys(client);
  let exchanges = 0;
  client.on('handshake', () => {
    exchanges += 1;
  });
  const privateKey = readFileSync(server.identityFile);
  client.connect({ host: '127.0.0.1', port: server.port, username: 'root', privateKey });
  await once(client, 'ready');
  const subsystem = promisify((done: ssh2.ClientCallback) => client.subsys('sftp', done));
  const channel = await openSftpClient(await subsystem());
  return {
    client,
    channel,
    path: `${server.path}/file`,
    exchanges: () => exchanges,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};

it('a burst is done when all of its commands are', async () => {
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

it('a burst fails with its first failure, and not before the last command is answered', async () => {
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

it('the keys of both directions are prepared after every key exchange, and the content comes whole', async () => {
  await using connection = await connect(['RekeyLimit 1M']);
  const { client, channel, path, exchanges } = connection;
  const content = randomBytes(6 * 1024 * 1024);
  const handle = await channel.open(path, OpenFlag.WRITE | OpenFlag.CREAT, {});
  const offsets = Array.from({ length: Math.ceil(content.length / 32_000) }, (_, chunk) => chunk * 32_000);
  await Promise.all(offsets.map((offset) => channel.write(handle, offset, content.subarray(offset, offset + 32_000))));
  await channel.close(handle);
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(exchanges()).toBeGreaterThan(2);
  // The library's own fields: where another version of it has others, this says so.
  expect(client).toMatchObject({
    _protocol: {
      _cipher: { _encKey: expect.any(KeyObject) as unknown },
      _decipher: { _decipherKey: expect.any(KeyObject) as unknown },
    },
  });
});
