import type { Duplex } from 'node:stream';
import { TransportError } from '../../errors.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { connect } from '../../ssh/connect.ts';
import type { SshConnection } from '../../ssh/connection.ts';
import type { SftpOptions } from './options.ts';

/** The channels of one connection. More may join while the first ones work. */
export interface Channels {
  readonly closed: boolean;
  /** What a request takes that costs the server nothing, in milliseconds, as measured when the connection was made. */
  readonly roundTripMs: number;
  /** All that are open; never empty. */
  readonly all: readonly SftpClient[];
  /** Runs a command of ours in the account's shell; rejects where it has none. */
  readonly openExec: (command: string) => Promise<Duplex>;
  /** The one with the least to do. */
  least(): SftpClient;
  /** Resolves when nothing of the connection is left. Harmless when repeated. */
  close(): Promise<void>;
}

export interface ChannelsOptions {
  /** fsync runs one at a time on a channel: durable work wants several. */
  readonly durable: boolean;
  readonly stateFolder: string;
  readonly log: (level: 'info' | 'warning', message: string) => void;
}

/** Up to here a server that waits for room for its replies loses less time than both ends save by replies in bulk. */
const NEAR_LINE_MS = 1;
/** From here on the round trip decides, and not the processor. */
const LONG_LINE_MS = 5;
const CHANNELS = { short: 1, durable: 4, long: 8 } as const;

const WATCH_EVERY_MS = 5_000;
/** Requests wait and nothing came in for this long: the line is dead, whatever TCP thinks. */
const SILENCE_MS = 30_000;
const IDLE_PROBE_MS = 20_000;

/**
 * Connects and opens the channels that pay: one at hand, more where fsync or a long line would keep it waiting. The work begins
 * on the first; a server that allows fewer (MaxSessions) gets along with what it allows.
 */
export const openChannels = async (
  options: SftpOptions,
  { durable, stateFolder, log }: ChannelsOptions,
  signal: AbortSignal,
): Promise<Channels> => {
  const connection = await connect(options, { stateFolder }, signal);
  try {
    const first = await connection.openSftp();
    const all = [first];
    const roundTripMs = await measureRoundTrip(first);
    const isNear = roundTripMs <= NEAR_LINE_MS;
    if (!isNear) first.widen();
    const wanted = roundTripMs > LONG_LINE_MS ? CHANNELS.long : durable ? CHANNELS.durable : CHANNELS.short;
    void openMore(connection, { wanted, isNear }, all, log);
    return watchOver(connection, all, roundTripMs);
  } catch (error) {
    await connection.close();
    if (error instanceof TransportError) throw error;
    throw new TransportError(
      'network',
      `Cannot open an SFTP channel to ${options.host}: ${error instanceof Error ? error.message : String(error)}`,
      {
        hint: 'see that the server offers the sftp subsystem to this account',
        cause: error,
      },
    );
  }
};

/** A slow answer is asked for again, since a busy machine may be slow once; on a line that is not near hardly anything is lost by it. */
const measureRoundTrip = async (channel: SftpClient): Promise<number> => {
  let shortest = Infinity;
  for (let attempt = 1; attempt <= (shortest > LONG_LINE_MS ? 2 : 4) && shortest > NEAR_LINE_MS; attempt += 1) {
    const started = performance.now();
    await channel.realpath('.');
    shortest = Math.min(shortest, performance.now() - started);
  }
  return shortest;
};

/** Never rejects: what cannot be opened is done without, and a connection that is lost tells its users itself. */
const openMore = async (
  connection: SshConnection,
  { wanted, isNear }: { readonly wanted: number; readonly isNear: boolean },
  all: SftpClient[],
  log: ChannelsOptions['log'],
): Promise<void> => {
  await Promise.allSettled(
    Array.from({ length: wanted - all.length }, async () => {
      const channel = await connection.openSftp();
      if (!isNear) channel.widen();
      all.push(channel);
    }),
  );
  if (all.length < wanted && !connection.closed)
    log('info', `the server allows ${all.length} channels a connection (MaxSessions), not ${wanted}`);
};

const watchOver = (connection: SshConnection, all: readonly SftpClient[], roundTripMs: number): Channels => {
  const isBusy = (): boolean => all.some((channel) => channel.pending > 0);
  const close = (why?: string): Promise<void> => {
    clearInterval(watch);
    for (const channel of all) channel.destroy(why);
    return connection.close();
  };
  const watch = setInterval(() => {
    if (isBusy() && connection.silentMs() > SILENCE_MS)
      void close(`nothing came from the server for ${SILENCE_MS / 1000} s`);
    else if (!isBusy() && connection.silentMs() > IDLE_PROBE_MS) all[0]?.realpath('.').catch(() => close());
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
    least: () => all.reduce((least, channel) => (channel.pending < least.pending ? channel : least)),
    close: () => close(),
  };
};
