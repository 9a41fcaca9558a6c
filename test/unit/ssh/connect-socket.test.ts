import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connectSocket } from '../../../src/ssh/connect-socket.ts';
import { describeNetwork } from '../../../src/ssh/network-hints.ts';
import { freePort } from '../../support/ports.ts';

it.each([
  ['127.0.0.1', 'nothing listens there', 'destination.port are right'],
  ['localhost', 'nothing listens there', 'destination.port are right'],
  ['none.invalid', /there is no host of that name|the name service does not answer/, 'correct destination.host'],
])('says in words why it does not come to %s', async (host, state, cure) => {
  const error: unknown = await connectSocket(host, await freePort(), new AbortController().signal).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ class: 'network', hint: expect.stringContaining(cure) as unknown });
  expect((error as Error).message).toMatch(state);
  expect((error as Error).message).not.toMatch(/\bE[A-Z]{4,}/);
});

it.each([
  ['EHOSTUNREACH', 'there is no way to that host from here'],
  ['ETIMEDOUT', 'it does not answer'],
  ['ECONNRESET', 'the server hung up'],
])('has words for %s', (code, state) => {
  expect(describeNetwork(Object.assign(new Error(`read ${code}`), { code })).state).toBe(state);
});

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
