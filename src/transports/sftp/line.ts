import type { SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import type { SshConnection } from '../../ssh/connection.ts';
import type { ServerHabits } from './server-habits.ts';

/** Up to this round trip a limited receive window costs less than batched replies save at both ends. */
export const LOW_LATENCY_MS = 1;
/** Identification with the offer of algorithms, and the exchange of keys. */
const HANDSHAKE_ROUND_TRIPS = 2;
/** Beyond this round trip latency limits the throughput, and not the CPU. */
export const HIGH_LATENCY_MS = 5;
export const CHANNELS = { lowLatency: 1, durable: 4, highLatency: 8 } as const;

/** One connection with its channels. */
export class Line {
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

export const channelsWanted = (roundTripMs: number, durable: boolean): number => {
  if (roundTripMs > HIGH_LATENCY_MS) return CHANNELS.highLatency;
  return durable ? CHANNELS.durable : CHANNELS.lowLatency;
};

/**
 * The shortest of a few attempts: a busy machine may be slow once. Stops at the first low one, after two high ones (on a line that its
 * handshake showed to be long: one), or after four.
 */
export const measureRoundTrip = async (channel: SftpClient, isLong: boolean): Promise<number> => {
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
export const ignoreRefusal = (error: unknown): undefined => {
  if (!(error instanceof SftpStatusError)) throw error;
};

/** A channel that ends while its connection lives: the server's program has died, of too many handles as likely as not. */
const noteDeath = (channel: SftpClient, connection: SshConnection, { handles }: ServerHabits): void => {
  channel.shareHandleLimit(handles);
  if (channel.limitsTold !== undefined) return; // It says how many it allows.
  channel.onClosed((openHandles) => {
    // The channels of a lost connection may close before it does.
    setImmediate(() => {
      if (!connection.closed && openHandles > 1) handles.exceeded(openHandles);
    });
  });
};

/** Never rejects: a channel that cannot be opened is done without, and a lost connection is reported by its own requests. */
export const openMore = async (
  line: Line,
  { most, isLowLatency }: { readonly most: number; readonly isLowLatency: boolean },
  log: (level: 'info', message: string) => void,
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
