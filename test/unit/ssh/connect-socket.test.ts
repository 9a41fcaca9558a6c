import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connectSocket } from '../../../src/ssh/connect-socket.ts';

it('makes no connection that was stopped before it was asked for', async () => {
  let connections = 0;
  const server = createServer(() => (connections += 1)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  await expect(connectSocket('localhost', port, AbortSignal.abort())).rejects.toMatchObject({ class: 'network' });
  // A later connection arrives after any earlier one.
  const socket = await connectSocket('127.0.0.1', port, new AbortController().signal);
  while (connections === 0) await delay(5);
  expect(connections).toBe(1);
  socket.destroy();
  server.close();
});
