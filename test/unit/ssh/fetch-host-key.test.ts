import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { fetchHostKey } from '../../../src/ssh/fetch-host-key.ts';

it('a connection that was closed before anybody listened is an error, not a wait', { timeout: 5000 }, async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1').resume();
  await once(socket, 'close');
  await expect(fetchHostKey(socket, [], new AbortController().signal)).rejects.toMatchObject({
    class: 'network',
    message: expect.stringContaining('the server closed the connection') as unknown,
  });
  server.close();
});
