import { getEventListeners } from 'node:events';
import { beforeEach, expect, it, vi } from 'vitest';
import type { SftpClient } from '../../../src/sftp/client.ts';
import type { Channels } from '../../../src/transports/sftp/channels.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';
import { ReconnectingSession } from '../../../src/transports/sftp/reconnecting-session.ts';

const { openChannels } = vi.hoisted(() => ({ openChannels: vi.fn<() => Promise<Channels>>() }));
vi.mock('../../../src/transports/sftp/channels.ts', () => ({ openChannels }));

const channel = {
  limits: { write: 32_000, handles: 20 },
  handlesAtOnce: Infinity,
  has: () => false,
} as unknown as SftpClient;

/** Channels that the test may declare lost. */
const openFake = () => {
  const fake = {
    closed: false,
    hasProgramEnded: false,
    roundTripMs: 1,
    isFar: false,
    onGrowth: () => undefined,
    all: [channel],
    hurried: 0,
    leastBusy: () => channel,
    hurry: () => {
      fake.hurried += 1;
    },
    close: () => {
      fake.closed = true;
      return Promise.resolve();
    },
  };
  return fake;
};

const { signal } = new AbortController();
const create = (): ReconnectingSession => {
  const options = parseSftpOptions({ transport: 'sftp', host: 'h', path: '/d' });
  const context = { site: 's', owner: 'o', durable: false, bandwidth: null, stateFolder: '/s', log: () => undefined };
  return new ReconnectingSession(options, context, 'sftp://h/d');
};
const run = <T>(session: ReconnectingSession, use: () => Promise<T>): Promise<T> =>
  session.run(() => ({ action: 'send "f"' }), signal, use);
const idle = (): Promise<undefined> => Promise.resolve(undefined);

beforeEach(() => {
  openChannels.mockReset();
});

it('connects once for concurrent uses, and again after the connection was lost', async () => {
  const [first, second] = [openFake(), openFake()];
  openChannels.mockResolvedValueOnce(first as unknown as Channels).mockResolvedValueOnce(second as unknown as Channels);
  await using session = create();
  expect(session.sendsAtOnce).toBe(256);
  await Promise.all([run(session, idle), run(session, idle)]);
  await run(session, idle);
  expect(openChannels).toHaveBeenCalledTimes(1);
  expect(session.sendsAtOnce).toBe(10);
  first.closed = true;
  await Promise.all([run(session, idle), run(session, idle)]);
  expect(openChannels).toHaveBeenCalledTimes(2);
});

it('gives a silent server less time once the caller stops, with one listener for all, and none left', async () => {
  const fake = openFake();
  openChannels.mockResolvedValueOnce(fake as unknown as Channels);
  await using session = create();
  const controller = new AbortController();
  const answered = Promise.withResolvers<undefined>();
  const use = (): Promise<undefined> =>
    session.run(
      () => ({ action: 'send "f"' }),
      controller.signal,
      () => answered.promise,
    );
  const used = [use(), use(), use()];
  await vi.waitFor(() => expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1), { interval: 1 });
  controller.abort();
  expect(fake.hurried).toBe(1);
  answered.resolve(undefined);
  await Promise.all(used);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
});

it('waits for no login once the caller stops', async () => {
  openChannels.mockReturnValueOnce(new Promise(() => undefined));
  const session = create();
  const controller = new AbortController();
  const used = session.run(() => ({ action: 'send "f"' }), controller.signal, idle);
  controller.abort(new Error('stop'));
  await expect(used).rejects.toThrow('stop');
});

it('connects again after a failed attempt', async () => {
  openChannels.mockRejectedValueOnce(new Error('refused')).mockResolvedValueOnce(openFake() as unknown as Channels);
  await using session = create();
  await expect(run(session, idle)).rejects.toThrow('refused');
  await run(session, idle);
});

it('turns a failure into a TransportError with the action and the destination', async () => {
  openChannels.mockResolvedValueOnce(openFake() as unknown as Channels);
  await using session = create();
  await expect(run(session, () => Promise.reject(new Error('reset')))).rejects.toMatchObject({
    class: 'network',
    message: 'Cannot send "f" to sftp://h/d: reset',
  });
});

it.each([
  ['DC1/latin-\udce9', true, 'file', 2],
  ['DC1/latin-\udce9', false, 'network', 1],
  ['DC1/plain', true, 'network', 1],
])('%j, of which the program at the server dies (%s): %s', async (name, hasProgramEnded, kind, connections) => {
  const fakes = [openFake(), openFake()];
  for (const fake of fakes) openChannels.mockResolvedValueOnce(fake as unknown as Channels);
  await using session = create();
  const used: unknown[] = [];
  const use = (): Promise<never> => {
    Object.assign(fakes[used.length] ?? {}, { closed: true, hasProgramEnded });
    used.push(name);
    return Promise.reject(new Error('the SFTP channel was closed'));
  };
  const sent = session.run(() => ({ action: 'send', name }), signal, use);
  await expect(sent).rejects.toMatchObject({ class: kind });
  expect(used).toHaveLength(connections);
  openChannels.mockReset();
});

it('closes a connection that is still being made when it is disposed, and refuses further use', async () => {
  const fake = openFake();
  const opening = Promise.withResolvers<Channels>();
  openChannels.mockReturnValueOnce(opening.promise);
  const session = create();
  const used = run(session, idle);
  await vi.waitFor(() => expect(openChannels).toHaveBeenCalledTimes(1), { interval: 1 });
  const disposed = session[Symbol.asyncDispose]();
  opening.resolve(fake as unknown as Channels);
  await expect(used).rejects.toThrow();
  await disposed;
  expect(fake.closed).toBe(true);
  await expect(run(session, idle)).rejects.toThrow('Cannot use sftp://h/d: it was closed');
});
