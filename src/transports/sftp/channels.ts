import type { Duplex } from 'node:stream';
import { errorMessage, TransportError } from '../../errors.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { connect } from '../../ssh/connect.ts';
import type { SshConnection } from '../../ssh/connection.ts';
import type { SftpOptions } from './options.ts';
import type { ServerHabits } from './server-habits.ts';
import { Silence, type SilenceLimits } from './silence.ts';

/** The SFTP channels of one connection. More may be added while the first ones are in use. */
export interface Channels {
  readonly closed: boolean;
  /** Milliseconds for a request that costs the server nothing, measured when the connection was made. */
  readonly roundTripMs: number;
  /** The open channels; never empty. */
  readonly all: readonly SftpClient[];
  /** Runs a fixed command in the account's shell; rejects if the account has none. */
  readonly openExec: (command: string) => Promise<Duplex>;
  /** The channel with the fewest pending requests. */
  leastBusy(): SftpClient;
  /** isocket is to end: a server that does not answer is given up soon. */
  hurry(): void;
  /** Closes the channels and the connection. Harmless when repeated. */
  close(): Promise<void>;
}

export interface ChannelsOptions {
  /** A channel runs one fsync at a time: durable transfers use several channels. */
  readonly durable: boolean;
  readonly stateFolder: string;
  readonly log: (level: 'info' | 'warning', message: string) => void;
}

/** Up to this round trip a limited receive window costs less than batched replies save at both ends. */
const LOW_LATENCY_MS = 1;
/** Beyond this round trip latency limits the throughput, and not the CPU. */
const HIGH_LATENCY_MS = 5;
const CHANNELS = { lowLatency: 1, durable: 4, highLatency: 8 } as const;

const WATCH_EVERY_MS = 1_000;
/**
 * Requests are pending and none was answered for this long: the connection is lost, even if TCP has not noticed. One of many may wait
 * longer: behind what is in flight on a slow line, or for an fsync.
 */
const SILENCE = { allMs: 29_000, oneMs: 300_000 } as const;
/** isocket is to end: what is in flight may end too, but is not waited for in vain. */
const SILENCE_AT_END = { allMs: 2_000, oneMs: 10_000 } as const;
/** It is so for a while only: what was aborted may be one request among others. */
const HURRY_MS = 30_000;
/** A channel opens, or not: the server's sshd may accept it, and what it starts say nothing. */
const OPEN_MS = 30_000;
const IDLE_PROBE_MS = 20_000;

/**
 * Connects and opens one channel, or several where fsync or latency would leave a single one idle. Resolves when the first is open;
 * the others are added as they open. A server that allows fewer (MaxSessions) is used with what it allows.
 * @throws TransportError `network`, or `auth` where a person must act
 */
export const openChannels = async (
  options: SftpOptions,
  { durable, stateFolder, log }: ChannelsOptions,
  habits: ServerHabits,
  signal: AbortSignal,
): Promise<Channels> => {
  const connection = await connect(options, { stateFolder }, signal);
  const opening = closeUnlessDone(connection, signal);
  try {
    const openChannel = async (): Promise<SftpClient> => {
      const channel = await connection.openSftp();
      noteDeath(channel, connection, habits);
      return channel;
    };
    const first = await openChannel();
    const all = [first];
    const roundTripMs = await measureRoundTrip(first);
    opening.done();
    const isLowLatency = roundTripMs <= LOW_LATENCY_MS;
    if (!isLowLatency) first.setWindowUnlimited();
    const wanted = habits.handles.isReusing
      ? 1
      : roundTripMs > HIGH_LATENCY_MS
        ? CHANNELS.highLatency
        : durable
          ? CHANNELS.durable
          : CHANNELS.lowLatency;
    void openMore(openChannel, connection, { wanted, isLowLatency }, all, log);
    return watchConnection(connection, all, roundTripMs);
  } catch (error) {
    await connection.close();
    if (error instanceof TransportError) throw error;
    const isLate = opening.isLate();
    throw new TransportError(
      'network',
      `Cannot open an SFTP channel to ${options.host}: ${isLate ? `no answer for ${OPEN_MS / 1000} s` : errorMessage(error)}`,
      {
        hint: 'check that the server offers the sftp subsystem to this account',
        cause: error,
      },
    );
  } finally {
    opening.done();
  }
};

/** What is asked on a connection that is closed is answered: with an error. */
const closeUnlessDone = (
  connection: SshConnection,
  signal: AbortSignal,
): { readonly done: () => void; readonly isLate: () => boolean } => {
  let isLate = false;
  const close = (): void => void connection.close();
  const timer = setTimeout(() => {
    isLate = true;
    close();
  }, OPEN_MS);
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  return {
    done: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', close);
    },
    isLate: () => isLate,
  };
};

/** The shortest of a few attempts: a busy machine may be slow once. Stops at the first low one, after two high ones, or after four. */
const measureRoundTrip = async (channel: SftpClient): Promise<number> => {
  let shortest = Infinity;
  for (let attempt = 1; attempt <= (shortest > HIGH_LATENCY_MS ? 2 : 4) && shortest > LOW_LATENCY_MS; attempt += 1) {
    const started = performance.now();
    await channel.realpath('.').catch(ignoreRefusal);
    shortest = Math.min(shortest, performance.now() - started);
  }
  return shortest;
};

/** A server without REALPATH answers as fast. */
const ignoreRefusal = (error: unknown): void => {
  if (!(error instanceof SftpStatusError)) throw error;
};

/** A channel that ends while its connection lives: the server's program has died, of too many handles as likely as not. */
const noteDeath = (channel: SftpClient, connection: SshConnection, { handles }: ServerHabits): void => {
  channel.shareHandleLimit(handles);
  channel.onClosed((openHandles) => {
    // The channels of a lost connection may close before it does.
    setImmediate(() => {
      if (!connection.closed && openHandles > 1) handles.exceeded(openHandles);
    });
  });
};

/** Never rejects: a channel that cannot be opened is done without, and a lost connection is reported by its own requests. */
const openMore = async (
  openChannel: () => Promise<SftpClient>,
  connection: SshConnection,
  { wanted, isLowLatency }: { readonly wanted: number; readonly isLowLatency: boolean },
  all: SftpClient[],
  log: ChannelsOptions['log'],
): Promise<void> => {
  await Promise.allSettled(
    Array.from({ length: wanted - all.length }, async () => {
      const channel = await openChannel();
      if (!isLowLatency) channel.setWindowUnlimited();
      all.push(channel);
    }),
  );
  if (all.length < wanted && !connection.closed)
    log('info', `the server allows ${all.length} channels a connection (MaxSessions), not ${wanted}`);
};

const watchConnection = (connection: SshConnection, all: readonly SftpClient[], roundTripMs: number): Channels => {
  const isBusy = (): boolean => all.some((channel) => channel.pending > 0);
  const close = (reason?: string): Promise<void> => {
    clearInterval(watch);
    for (const channel of all) channel.destroy(reason);
    return connection.close();
  };
  const silence = new Silence();
  let hurriedMs = -Infinity;
  const limitsNow = (): SilenceLimits => (performance.now() - hurriedMs < HURRY_MS ? SILENCE_AT_END : SILENCE);
  const watch = setInterval(() => {
    const silentMs = silence.tooLong(all, limitsNow(), performance.now());
    if (silentMs !== undefined)
      void close(`the server has not answered for ${Math.round(silentMs / 1000)} s, though it was asked`);
    else if (!isBusy() && connection.silentMs() > IDLE_PROBE_MS)
      all[0]
        ?.realpath('.')
        .catch(ignoreRefusal)
        .catch(() => close());
  }, WATCH_EVERY_MS);
  watch.unref();
  connection.onClose(({ message }) => void close(message));
  return {
    get closed() {
      return connection.closed || all.some((channel) => channel.closed);
    },
    roundTripMs,
    all,
    openExec: connection.openExec,
    leastBusy: () => all.reduce((best, channel) => (channel.pending < best.pending ? channel : best)),
    hurry: () => {
      hurriedMs = performance.now();
    },
    close: () => close(),
  };
};
