import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import type { IsocketEvent } from '../../../../src/core/events.ts';
import { Ping } from '../../../../src/status/notify/ping.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const listen = async (server: Server | ReturnType<typeof createTcpServer>): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const serve = async (answer: RequestListener) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`.trim());
    answer(request, response);
  });
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, port: await listen(server) };
};

const pingTo = (url: string, timeoutMs = 300) => {
  const events: IsocketEvent[] = [];
  const ping = new Ping(url, (event) => events.push(event), timeoutMs);
  const messages = () => events.map((event) => (event.type === 'note' ? `${event.level}: ${event.message}` : ''));
  return { ping, messages };
};

it('asks for URL/start, URL and URL/fail, one after the other', async () => {
  const { asked, port } = await serve((_request, response) => response.end('OK'));
  const { ping, messages } = pingTo(`http://user:pass@127.0.0.1:${port}/uuid/?rid=7`);
  for (const signal of ['start', 'success', 'fail'] as const) void ping.send(signal);
  await ping.settled();
  const basic = 'Basic dXNlcjpwYXNz';
  expect(asked).toEqual([
    `GET /uuid/start?rid=7 ${basic}`,
    `GET /uuid/?rid=7 ${basic}`,
    `GET /uuid/fail?rid=7 ${basic}`,
  ]);
  expect(messages()).toEqual([]);
});

it('that fails is one warning until it works again, and shows no secret', async () => {
  let status = 500;
  const { port } = await serve((_request, response) => response.writeHead(status).end());
  const { ping, messages } = pingTo(`http://user:pass@127.0.0.1:${port}/secret`);
  for (let count = 0; count < 3; count += 1) await ping.send('success');
  expect(messages()).toEqual([
    expect.stringMatching(/^warning: Cannot ping http:\/\/127\.0\.0\.1:\d+\/…: it answers 500; /),
  ]);
  status = 204;
  await ping.send('success');
  await ping.send('success');
  expect(messages().slice(1)).toEqual([expect.stringMatching(/^info: .* is pinged again$/)]);
  expect(messages().join()).not.toMatch(/secret|pass/);
});

it.each<[string, RequestListener, RegExp]>([
  ['hangs', () => undefined, /no answer within 0\.3 s/],
  ['redirects', (_request, response) => response.writeHead(301, { location: '/' }).end(), /it answers 301/],
  ['breaks off', (request) => request.socket.destroy(), /socket hang up|connection reset/i],
  ['answers without end', (_request, response) => void response.write('x'), /^$/],
])('a server that %s keeps nobody waiting', async (_how, answer, words) => {
  const { port } = await serve(answer);
  const { ping, messages } = pingTo(`http://127.0.0.1:${port}/`);
  await ping.send('success');
  expect(messages().join()).toMatch(words);
});

it('a server that sends its answer letter by letter is not waited for', async () => {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const timer = setInterval(() => socket.write('x'), 20);
    socket.on('close', () => clearInterval(timer));
    socket.write('HTTP/1.1 200 OK\r\nx: ');
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { ping, messages } = pingTo(`http://127.0.0.1:${await listen(server)}/`);
  await ping.send('success');
  expect(messages()).toEqual([expect.stringContaining('no answer within 0.3 s')]);
});

it('a server that is not there, and one that speaks no TLS', async () => {
  const { port } = await serve((_request, response) => response.end());
  const { ping: tls, messages: ofTls } = pingTo(`https://127.0.0.1:${port}/`);
  await tls.send('success');
  expect(ofTls()).toEqual([expect.stringContaining('Cannot ping https://127.0.0.1')]);
  const { ping, messages } = pingTo('http://127.0.0.1:1/');
  await ping.send('success');
  expect(messages()).toEqual([expect.stringContaining('connection refused')]);
});
