import type { Duplex } from 'node:stream';
import { createPacketSplitter, PacketReader } from './packet-reader.ts';
import { PacketWriter } from './packet-writer.ts';
import { Packet, SFTP_VERSION } from './protocol.ts';
import { ChannelClosedError } from './replies.ts';
import { createReceiveWindow, type ChannelWindow } from './receive-window.ts';

/** Writes the fields of a request after its id. */
export type Encode = (packet: PacketWriter) => unknown;

/** Receives the reply to a request. */
export interface Pending {
  /** Decodes the reply, which is valid during the call only, and resolves or rejects. */
  settle(reply: PacketReader): void;
  reject(error: Error): void;
}

export const toError = (error: unknown): Error =>
  error instanceof Error ? error : new ChannelClosedError(String(error));

/**
 * The requests of one SFTP channel. They are sent at the end of the current turn of the event loop, in one write; the server answers
 * them one by one in any order. Every request settles: with its reply, or with a `ChannelClosedError` when the channel closes.
 */
export interface RequestChannel {
  /** Number of requests without a reply so far. */
  readonly pending: number;
  readonly closed: boolean;
  /** The extensions that the server announced, by name, with their version. */
  readonly extensions: ReadonlyMap<string, string>;
  /** `decode` reads the reply, which is valid during the call only. */
  readonly request: <T>(type: number, encode: Encode, decode: (reply: PacketReader) => T) => Promise<T>;
  /** The same without a promise: for hot paths. */
  readonly submit: (type: number, encode: Encode, waiting: Pending) => void;
  /** The next request has a reply of up to this many bytes. */
  expectReply(bytes: number): void;
  /** The server's replies never wait for a grant. */
  setWindowUnlimited(): void;
  /** Closes the channel and rejects the pending requests with `reason`. Harmless when repeated. */
  close(reason: Error): void;
}

/**
 * Performs the SFTP handshake over an open `sftp` subsystem channel.
 * @param channelWindow the channel's receive window, where isocket manages it
 */
export const openRequestChannel = async (
  channel: Duplex,
  channelWindow: ChannelWindow | undefined,
): Promise<RequestChannel> => {
  const pending = new Map<number, Pending>();
  const writer = new PacketWriter();
  const receiveWindow = createReceiveWindow(channelWindow);
  const extensions = new Map<string, string>();
  let nextId = 0;
  let flushing = false;
  let closedBy: Error | undefined;

  const closeWith = (error: Error): void => {
    if (closedBy !== undefined) return;
    closedBy = error;
    const waiting = [...pending.values()];
    pending.clear();
    channel.destroy();
    for (const one of waiting) one.reject(error);
  };

  const flush = (): void => {
    flushing = false;
    if (closedBy !== undefined) return;
    receiveWindow.grant();
    if (writer.length === 0) return;
    const requests = writer.take();
    channel.write(requests, () => writer.recycle(requests));
  };
  const flushSoon = (): void => {
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  };

  const submit = (type: number, encode: Encode, waiting: Pending): void => {
    if (closedBy !== undefined) {
      waiting.reject(closedBy);
      return;
    }
    const id = nextId;
    nextId = (nextId + 1) >>> 0;
    pending.set(id, waiting);
    encode(writer.begin(type).u32(id));
    writer.end();
    flushSoon();
  };

  const request = <T>(type: number, encode: Encode, decode: (reply: PacketReader) => T): Promise<T> =>
    new Promise((resolve, reject) => {
      const settle = (reply: PacketReader): void => {
        try {
          resolve(decode(reply));
        } catch (error) {
          reject(error);
        }
      };
      submit(type, encode, { settle, reject });
    });

  const onPacket = (packet: Buffer): void => {
    const id = packet.length >= 5 ? packet.readUInt32BE(1) : -1;
    const waiting = pending.get(id);
    if (waiting === undefined) throw new ChannelClosedError('the server sent a reply to no request');
    pending.delete(id);
    waiting.settle(new PacketReader(packet));
  };

  const shaken = Promise.withResolvers<undefined>();
  const split = createPacketSplitter((packet) => {
    receiveWindow.received(packet.length);
    if (packet[0] !== Packet.VERSION) {
      onPacket(packet);
      return;
    }
    const reader = new PacketReader(packet);
    reader.u8();
    const version = reader.u32();
    if (version < SFTP_VERSION) throw new ChannelClosedError(`the server speaks SFTP version ${version} only`);
    while (reader.remaining > 0) extensions.set(reader.text(), reader.text());
    shaken.resolve(undefined);
  });
  channel.on('data', (chunk: Buffer) => {
    try {
      split(chunk);
    } catch (error) {
      closeWith(toError(error));
    }
    if (receiveWindow.isExhausted) flushSoon();
  });
  for (const event of ['end', 'close', 'error'] as const) {
    channel.on(event, (error?: Error) => {
      const gone = new ChannelClosedError(`the SFTP channel was closed${error?.message ? `: ${error.message}` : ''}`);
      closeWith(gone);
      shaken.reject(closedBy ?? gone);
    });
  }
  writer.begin(Packet.INIT).u32(SFTP_VERSION).end();
  flush();
  await shaken.promise;

  return {
    get pending() {
      return pending.size;
    },
    get closed() {
      return closedBy !== undefined;
    },
    extensions,
    request,
    submit,
    expectReply: (bytes) => receiveWindow.expect(bytes),
    setWindowUnlimited: () => receiveWindow.setUnlimited(),
    close: closeWith,
  };
};
