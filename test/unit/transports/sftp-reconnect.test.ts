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
    roundTripMs: 1,
    isFar: false,
    onGrowth: () => undefined,
    all: [channel],
    leastBusy: () => channel,
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
  session.run(() => 'send "f"', signal, use);
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
