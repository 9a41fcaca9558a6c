import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect } from '../../src/ssh/connect.ts';
import { openChannels } from '../../src/transports/sftp/channels.ts';
import { parseSftpOptions } from '../../src/transports/sftp/options.ts';
import { ServerHabits } from '../../src/transports/sftp/server-habits.ts';
import { startSshd } from '../support/sshd.ts';

// The socket connects before the key is read: that must not hide a problem of the key, nor leave the socket open.
it('reports a problem of the key while the server is silent, and closes the socket', async () => {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const options = parseSftpOptions({
    transport: 'sftp',
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    path: '/',
    knownHosts: '/nowhere/known_hosts',
    identityFile: '/nowhere/key',
  });
  const connecting = connect(options, { stateFolder: '/nowhere' }, new AbortController().signal);
  await expect(connecting).rejects.toThrow('Cannot read destination.identityFile "/nowhere/key"');
  const [socket] = (await accepted) as [Socket];
  socket.on('error', () => undefined).resume();
  if (!socket.closed) await once(socket, 'close');
});

it('a server that opens no session is told as that', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-none-')), (path) => rmSync(path, { recursive: true }));
  const { port, path, identityFile, knownHosts } = stack.use(await startSshd(folder, { config: ['MaxSessions 0'] }));
  const options = parseSftpOptions({
    ...{ transport: 'sftp', host: '127.0.0.1', user: 'root' },
    ...{ port, path, identityFile, knownHosts },
  });
  const log = (): void => undefined;
  const opening = openChannels(
    options,
    { durable: false, stateFolder: folder, log },
    new ServerHabits(log),
    new AbortController().signal,
  );
  await expect(opening).rejects.toMatchObject({
    class: 'network',
    hint: expect.stringContaining('MaxSessions') as unknown,
  });
});
