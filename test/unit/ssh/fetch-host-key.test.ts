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

it('what hangs up is named by address and port', { timeout: 5000 }, async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = createConnection(port, '127.0.0.1');
  await once(socket, 'connect');
  await expect(fetchHostKey(socket, [], new AbortController().signal)).rejects.toMatchObject({
    message: expect.stringContaining(`the host key of 127.0.0.1:${port}: `) as unknown,
  });
  server.close();
});
