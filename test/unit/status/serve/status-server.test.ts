import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createConnection, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../../../src/core/events.ts';
import type { LiveReading } from '../../../../src/status/live/live-status.ts';
import { Answers } from '../../../../src/status/serve/answers.ts';
import { SITE_WORDS, StatusServer } from '../../../../src/status/serve/status-server.ts';
import { ask, listenToEvents } from '../../../support/http-client.ts';
import { freePort } from '../../../support/ports.ts';

let port: number;
let reads: number;
let site: string;
let notes: string[];
let resources: DisposableStack;
beforeEach(async () => {
  port = await freePort();
  [reads, site, notes] = [0, 'ED1', []];
  resources = new DisposableStack();
});
afterEach(() => {
  resources.dispose();
});

const report = (event: IsocketEvent): void => {
  if (event.type === 'note' || event.type === 'listening') notes.push(event.message);
};
/** What the server asks. */
const live = {
  read: () => {
    reads += 1;
    return Promise.resolve({ status: { site, directories: [] }, reasons: [] } as unknown as LiveReading);
  },
};
const metrics = { type: 'text/plain', text: () => Promise.resolve('isocket_up 1\n') };
const serve = (againMs = 20): StatusServer =>
  resources.use(
    new StatusServer({
      listen: { host: '127.0.0.1', port },
      answers: new Answers({ live, metrics, host: '127.0.0.1', failed: (error) => notes.push(String(error)) }),
      words: SITE_WORDS,
      report,
      againMs,
    }),
  );
const served = async (): Promise<void> => {
  await expect.poll(() => notes.at(-1)).toContain('status at');
};

describe('the status server', () => {
  it('tries a port that is taken again, and says so once', async () => {
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    serve();
    await expect.poll(() => notes.length).toBe(1);
    await expect.poll(() => other.listening).toBe(true);
    other.close();
    await once(other, 'close');
    await served();
    expect(notes.map((note) => note.split(':')[0])).toEqual([
      'Cannot listen on status.listen 127.0.0.1',
      'status at http',
    ]);
    expect((await ask(port, '/healthz')).code).toBe(200);
  });

  it('reads nothing while nobody asks, and ends its events at once', async () => {
    const server = serve();
    await served();
    using client = await listenToEvents<{ site: string }>(port);
    await client.next((event) => event.site === 'ED1');
    site = 'ED2';
    await client.next((event) => event.site === 'ED2');
    expect(client.events).toHaveLength(2);
    server[Symbol.dispose]();
    await client.ended;
    await expect(ask(port, '/healthz')).rejects.toThrow();
    expect(reads).toBeLessThan(10);
  });

  it('has a limit of connections', async () => {
    serve();
    await served();
    const sockets = Array.from({ length: 66 }, () => createConnection(port, '127.0.0.1').on('error', () => undefined));
    resources.defer(() => sockets.forEach((socket) => socket.destroy()));
    await expect.poll(() => sockets.filter(({ closed }) => closed).length, { timeout: 10_000 }).toBe(2);
  });

  it('has a limit of clients of the events', async () => {
    serve();
    await served();
    const clients = await Promise.all(Array.from({ length: 17 }, () => listenToEvents(port)));
    expect(clients.map(({ code }) => code).toSorted()).toEqual([...Array.from({ length: 16 }, () => 200), 503]);
    for (const client of clients) client[Symbol.dispose]();
    await expect
      .poll(async () => {
        using again = await listenToEvents(port);
        return again.code;
      })
      .toBe(200);
  });

  it('who did not read for a while gets the last word, though nothing changes after it', async () => {
    serve();
    await served();
    // More than the system keeps for a reader.
    site = 'x'.repeat(20_000_000);
    const { promise: begun, resolve } = Promise.withResolvers<IncomingMessage>();
    resources.adopt(get({ host: '127.0.0.1', port, path: '/events' }, resolve), (call) => call.destroy());
    const slow = await begun;
    let text = '';
    slow.on('data', (chunk: Buffer) => (text = (text + chunk.toString('latin1')).slice(-1000)));
    await expect.poll(() => text).toMatch(/x/);
    slow.pause();
    site = 'the last word';
    const before = reads;
    await expect.poll(() => reads, { timeout: 10_000 }).toBeGreaterThan(before + 1);
    slow.resume();
    await expect.poll(() => text, { timeout: 10_000 }).toContain('the last word');
  });

  it('what is no request is refused, and headers have a limit', async () => {
    serve();
    await served();
    const { code } = await ask(port, '/', { headers: { 'x-long': 'x'.repeat(10_000) } });
    expect(code).toBe(431);
  });
});
