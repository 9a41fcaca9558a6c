import type { Duplex } from 'node:stream';
import { createPacketSplitter, PacketReader } from './packet-reader.ts';
import { PacketWriter } from './packet-writer.ts';
import { Packet, SFTP_VERSION } from './protocol.ts';
import { ChannelClosedError } from './replies.ts';
import { createReplyRoom, type ReceiveWindow } from './receive-window.ts';

/** Writes the fields of a request behind its id. */
export type Encode = (packet: PacketWriter) => unknown;

/** Who waits for a reply. */
export interface Pending {
  /** Reads the reply while it is there, and resolves or rejects. */
  settle(reply: PacketReader): void;
  reject(error: Error): void;
}

export const toError = (error: unknown): Error =>
  error instanceof Error ? error : new ChannelClosedError(String(error));

/**
 * The requests of one SFTP channel. They leave as soon as the current turn of the event loop ends, all in one write; the server answers
 * them one by one in the order it likes. Every request ends: with its reply, or with a `ChannelClosedError` when the channel does.
 */
export interface RequestChannel {
  /** Requests that wait for a reply. */
  readonly pending: number;
  readonly closed: boolean;
  /** What the server can do beyond version 3, as it said. */
  readonly extensions: ReadonlyMap<string, string>;
  /** Decodes the reply while it is there. */
  readonly request: <T>(type: number, encode: Encode, decode: (reply: PacketReader) => T) => Promise<T>;
  /** The same without a promise. */
  readonly submit: (type: number, encode: Encode, waiting: Pending) => void;
  /** The next request asks for a reply of up to so many bytes. */
  expectReply(bytes: number): void;
  /** The server's replies need not wait for us to make room. */
  widen(): void;
  /** Ends the channel and fails what is pending. Harmless when repeated. */
  close(why: Error): void;
}

/**
 * Shakes hands over an open `sftp` subsystem channel.
 * @param window where it is ours to say how far the server may run ahead
 */
export const openRequestChannel = async (
  channel: Duplex,
  window: ReceiveWindow | undefined,
): Promise<RequestChannel> => {
  const pending = new Map<number, Pending>();
  const writer = new PacketWriter();
  const room = createReplyRoom(window);
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
    room.grant();
    if (writer.length === 0) return;
    const requests = writer.take();
    channel.write(requests, () => writer.giveBack(requests));
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
    if (waiting === undefined) throw new ChannelClosedError('the server answered what was not asked');
    pending.delete(id);
    waiting.settle(new PacketReader(packet));
  };

  const shaken = Promise.withResolvers<undefined>();
  const split = createPacketSplitter((packet) => {
    room.came(packet.length);
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
    if (room.isUsedUp) flushSoon();
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
    expectReply: (bytes) => room.expect(bytes),
    widen: () => room.release(),
    close: closeWith,
  };
};
