import type { Duplex } from 'node:stream';
import { TransportError } from '../../errors.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { connect } from '../../ssh/connect.ts';
import type { SshConnection } from '../../ssh/connection.ts';
import type { SftpOptions } from './options.ts';
import type { ServerHabits } from './server-habits.ts';

/** The SFTP channels of one connection. More may be added while the first ones are in use. */
export interface Channels {
  readonly closed: boolean;
  /** Milliseconds for a request that costs the server nothing, measured when the connection was made. */
  readonly roundTripMs: number;
  /** A round trip costs more than what it would save the server. */
  readonly isFar: boolean;
  /** The open channels; never empty. */
  readonly all: readonly SftpClient[];
  /** `listener` is called whenever more can be sent at once: a channel was opened, or a server told its limits. */
  onGrowth(listener: () => void): void;
  /** Runs a fixed command in the account's shell; rejects if the account has none. */
  readonly openExec: (command: string) => Promise<Duplex>;
  /** The channel with the fewest pending requests. */
  leastBusy(): SftpClient;
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
/** Identification with the offer of algorithms, and the exchange of keys. */
const HANDSHAKE_ROUND_TRIPS = 2;
/** A handshake of a near server takes some 15 ms of computing. */
const LONG_LINE_MS = 30;
const VERY_LONG_LINE_MS = 100;
/** Beyond this round trip latency limits the throughput, and not the CPU. */
const HIGH_LATENCY_MS = 5;
const CHANNELS = { lowLatency: 1, durable: 4, highLatency: 8 } as const;

const WATCH_EVERY_MS = 5_000;
/** Requests are pending and nothing was received for this long: the connection is lost, even if TCP has not noticed. */
const SILENCE_MS = 30_000;
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
  try {
    const line = new Line(connection, habits);
    const first = line.open();
    const isLong = line.roundTripMs > LONG_LINE_MS;
    // Behind the first one: on a line that is certainly long they would come round trips later.
    if (line.roundTripMs > VERY_LONG_LINE_MS)
      void openMore(line, { most: CHANNELS.highLatency, isLowLatency: false }, log);
    const channel = await first;
    const prepare = async (): Promise<void> => {
      line.roundTripMs = await measureRoundTrip(channel, isLong);
      const isLowLatency = line.roundTripMs <= LOW_LATENCY_MS;
      if (!isLowLatency) channel.setWindowUnlimited();
      await openMore(line, { most: channelsWanted(line.roundTripMs, durable), isLowLatency }, log);
    };
    // On a long line the first files do not wait for the measurement.
    if (isLong) prepare().catch(() => undefined);
    else await prepare();
    return watchConnection(line);
  } catch (error) {
    await connection.close();
    if (error instanceof TransportError) throw error;
    throw new TransportError(
      'network',
      `Cannot open an SFTP channel to ${options.host}: ${error instanceof Error ? error.message : String(error)}`,
      {
        hint: 'check that the server offers the sftp subsystem to this account',
        cause: error,
      },
    );
  }
};

/** One connection with its channels. */
class Line {
  readonly connection: SshConnection;
  readonly all: SftpClient[] = [];
  roundTripMs: number;
  /** Called when more can be sent at once than before. */
  grew: () => void = () => undefined;
  readonly #habits: ServerHabits;
  #requested = 0;

  constructor(connection: SshConnection, habits: ServerHabits) {
    this.connection = connection;
    this.#habits = habits;
    // An estimate, until it is measured.
    this.roundTripMs = (connection.handshakeMs ?? 0) / HANDSHAKE_ROUND_TRIPS;
  }

  /** Channels that are open, or being opened. */
  get requested(): number {
    return this.#requested;
  }

  /** How many may be used at once. */
  get most(): number {
    return this.#habits.handles.isReusing ? 1 : Infinity;
  }

  async open(): Promise<SftpClient> {
    this.#requested += 1;
    const channel = await this.connection.openSftp();
    noteDeath(channel, this.connection, this.#habits);
    channel.limitsTold?.then(() => this.grew()).catch(() => undefined);
    this.all.push(channel);
    this.grew();
    return channel;
  }
}

const channelsWanted = (roundTripMs: number, durable: boolean): number => {
  if (roundTripMs > HIGH_LATENCY_MS) return CHANNELS.highLatency;
  return durable ? CHANNELS.durable : CHANNELS.lowLatency;
};

/**
 * The shortest of a few attempts: a busy machine may be slow once. Stops at the first low one, after two high ones (on a line that its
 * handshake showed to be long: one), or after four.
 */
const measureRoundTrip = async (channel: SftpClient, isLong: boolean): Promise<number> => {
  const mostHigh = isLong ? 1 : 2;
  let shortest = (await channel.limitsTold?.catch(ignoreRefusal)) ?? Infinity;
  let attempts = shortest === Infinity ? 0 : 1;
  while (shortest > LOW_LATENCY_MS && attempts < (shortest > HIGH_LATENCY_MS ? mostHigh : 4)) {
    const started = performance.now();
    await channel.realpath('.').catch(ignoreRefusal);
    shortest = Math.min(shortest, performance.now() - started);
    attempts += 1;
  }
  return shortest;
};

/** A server without REALPATH answers as fast. */
const ignoreRefusal = (error: unknown): undefined => {
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
  line: Line,
  { most, isLowLatency }: { readonly most: number; readonly isLowLatency: boolean },
  log: ChannelsOptions['log'],
): Promise<void> => {
  const wanted = Math.min(most, line.most);
  const more = Array.from({ length: Math.max(0, wanted - line.requested) }, async () => {
    const channel = await line.open();
    if (!isLowLatency) channel.setWindowUnlimited();
  });
  const refused = (await Promise.allSettled(more)).filter(({ status }) => status === 'rejected').length;
  if (refused > 0 && !line.connection.closed)
    log('info', `the server allows ${line.all.length} channels a connection (MaxSessions), not ${wanted}`);
};

const watchConnection = (line: Line): Channels => {
  const { connection, all } = line;
  const isBusy = (): boolean => all.some((channel) => channel.pending > 0);
  const close = (reason?: string): Promise<void> => {
    clearInterval(watch);
    for (const channel of all) channel.destroy(reason);
    return connection.close();
  };
  const watch = setInterval(() => {
    if (isBusy() && connection.silentMs() > SILENCE_MS)
      void close(`nothing was received from the server for ${SILENCE_MS / 1000} s`);
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
    get roundTripMs() {
      return line.roundTripMs;
    },
    get isFar() {
      return line.roundTripMs > HIGH_LATENCY_MS;
    },
    all,
    onGrowth: (listener) => {
      line.grew = listener;
    },
    openExec: connection.openExec,
    leastBusy: () => all.reduce((best, channel) => (channel.pending < best.pending ? channel : best)),
    close: () => close(),
  };
};
