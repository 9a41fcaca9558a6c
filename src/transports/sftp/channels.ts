import type { Duplex } from 'node:stream';
import { TransportError } from '../../errors.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { connect } from '../../ssh/connect.ts';
import type { SshConnection } from '../../ssh/connection.ts';
import { AskAside } from './ask-aside.ts';
import { noChannel } from './no-channel.ts';
import type { SftpOptions } from './options.ts';
import {
  CHANNELS,
  channelsWanted,
  HIGH_LATENCY_MS,
  ignoreRefusal,
  Line,
  LOW_LATENCY_MS,
  measureRoundTrip,
  openMore,
} from './line.ts';
import type { ServerHabits } from './server-habits.ts';
import { Silence, SILENCE, SILENCE_AT_END, type SilenceLimits } from './silence.ts';

/** The SFTP channels of one connection. More may be added while the first ones are in use. */
export interface Channels {
  readonly closed: boolean;
  /** A channel was closed while the connection lives: as a rule the server’s program has ended. Known a turn after the closing. */
  readonly hasProgramEnded: boolean;
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

/** A handshake of a near server takes some 15 ms of computing. */
const LONG_LINE_MS = 30;
const VERY_LONG_LINE_MS = 100;

const WATCH_EVERY_MS = 1_000;
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
      void openMore(line, { most: channelsWanted(line.roundTripMs, durable), isLowLatency }, log);
    };
    // On a long line the first files do not wait for the measurement.
    if (isLong) prepare().catch(() => undefined);
    else await prepare();
    return watchConnection(line);
  } catch (error) {
    await connection.close();
    if (error instanceof TransportError) throw error;
    throw noChannel(error, options.host, opening.isLate() ? OPEN_MS / 1000 : undefined);
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

const watchConnection = (line: Line): Channels => {
  const { connection, all } = line;
  const isBusy = (): boolean => all.some((channel) => channel.pending > 0);
  const close = (reason?: string): Promise<void> => {
    clearInterval(watch);
    for (const channel of all) channel.destroy(reason);
    return connection.close();
  };
  const silence = new Silence();
  const aside = new AskAside(line);
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
    aside.tick(silence.silentMs(performance.now()));
  }, WATCH_EVERY_MS);
  watch.unref();
  connection.onClose(({ message }) => void close(message));
  return {
    get closed() {
      return connection.closed || all.some((channel) => channel.closed);
    },
    get hasProgramEnded() {
      return !connection.closed && all.some((channel) => channel.closed);
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
    hurry: () => {
      hurriedMs = performance.now();
    },
    close: () => close(),
  };
};
