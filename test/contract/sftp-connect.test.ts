import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { connect } from '../../src/ssh/connect.ts';
import { parseSftpOptions } from '../../src/transports/sftp/options.ts';

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
