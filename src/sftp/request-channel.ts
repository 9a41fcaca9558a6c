import type { Duplex } from 'node:stream';
import { createPacketSplitter, PacketReader } from './packet-reader.ts';
import { PacketWriter } from './packet-writer.ts';
import { Packet, packetName, SFTP_VERSION } from './protocol.ts';
import { ChannelClosedError, readExtensions, SftpStatusError } from './replies.ts';
import { ReceiveWindow, type ChannelWindow } from './receive-window.ts';

/** Writes the fields of a request after its id. */
export type Encode = (packet: PacketWriter) => unknown;

/** Receives the reply to a request. */
export interface Pending {
  /** Decodes the reply, which is valid during the call only, and resolves or rejects. */
  settle(reply: PacketReader): void;
  reject(error: Error): void;
}

/** Requests of this size are sent before the turn is over: a larger buffer would have to grow, and could not be reused. */
const FULL_BYTES = 256 * 1024;

export const toError = (error: unknown): Error =>
  error instanceof Error ? error : new ChannelClosedError(String(error));

/**
 * The requests of one SFTP channel. They are sent at the end of the current turn of the event loop, in one write; the server answers
 * them one by one in any order. Every request settles: with its reply, or with a `ChannelClosedError` when the channel closes.
 */
export class RequestChannel {
  readonly #channel: Duplex;
  readonly #receiveWindow: ReceiveWindow;
  readonly #writer = new PacketWriter();
  readonly #pending = new Map<number, Pending>();
  readonly #handshake = Promise.withResolvers<ReadonlyMap<string, string>>();
  #extensions: ReadonlyMap<string, string> = new Map();
  /** Of requests that may take minutes: see `isSlow`. */
  readonly #slow = new Set<number>();
  #nextId = 0;
  #answered = 0;
  #isFlushScheduled = false;
  #closedBy: Error | undefined;
  #onClosed: (() => void) | undefined;

  /**
   * Performs the SFTP handshake over an open `sftp` subsystem channel.
   * @param channelWindow the channel's receive window, where isocket manages it
   */
  static async open(channel: Duplex, channelWindow: ChannelWindow | undefined): Promise<RequestChannel> {
    const requests = new RequestChannel(channel, channelWindow);
    requests.#extensions = await requests.#shakeHands();
    return requests;
  }

  private constructor(channel: Duplex, channelWindow: ChannelWindow | undefined) {
    this.#channel = channel;
    this.#receiveWindow = new ReceiveWindow(channelWindow);
    const split = createPacketSplitter((packet) => this.#onPacket(packet));
    channel.on('data', (chunk: Buffer) => {
      if (this.closed) return;
      try {
        split(chunk);
      } catch (error) {
        this.close(toError(error));
      }
      if (this.#receiveWindow.isExhausted) this.#scheduleFlush();
    });
    for (const event of ['end', 'close', 'error'] as const) channel.on(event, (error?: Error) => this.#onEnd(error));
  }

  /** Number of requests without a reply so far. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Number of replies so far. */
  get answered(): number {
    return this.#answered;
  }

  /** The id of the request that has waited longest; undefined: none waits. */
  get oldest(): number | undefined {
    return this.#pending.keys().next().value;
  }

  /** What has waited longest waits for a disk there: a CLOSE, fsync or rename of a big file, behind which all may be written. */
  get isSlow(): boolean {
    const { oldest } = this;
    return oldest !== undefined && this.#slow.has(oldest);
  }

  get closed(): boolean {
    return this.#closedBy !== undefined;
  }

  /** `listener` is called once, when the channel closes. There is one listener. */
  onClosed(listener: () => void): void {
    if (this.closed) listener();
    else this.#onClosed = listener;
  }

  /** Whether the server announced the extension. @param version undefined: any */
  has(extension: string, version?: string): boolean {
    const announced = this.#extensions.get(extension);
    return announced !== undefined && (version === undefined || announced === version);
  }

  /**
   * `decode` reads the reply, which is valid during the call only.
   * @param name of the request, where its type does not say it
   */
  request<T>(type: number, encode: Encode, decode: (reply: PacketReader) => T, name?: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (reply: PacketReader): void => {
        try {
          resolve(decode(reply));
        } catch (error) {
          if (error instanceof SftpStatusError) error.request = name ?? packetName(type);
          reject(error);
        }
      };
      this.submit(type, encode, { settle, reject });
    });
  }

  /** The same without a promise: for hot paths. */
  submit(type: number, encode: Encode, pending: Pending): void {
    if (this.#closedBy !== undefined) {
      pending.reject(this.#closedBy);
      return;
    }
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) >>> 0;
    this.#pending.set(id, pending);
    if (type === Packet.CLOSE || type === Packet.RENAME || type === Packet.EXTENDED) this.#slow.add(id);
    encode(this.#writer.begin(type).u32(id));
    this.#writer.end();
    if (this.#writer.length >= FULL_BYTES) this.#flush();
    else this.#scheduleFlush();
  }

  /** The next request has a reply of up to this many bytes. */
  expectReply(bytes: number): void {
    this.#receiveWindow.expect(bytes);
  }

  /** The server's replies never wait for a grant. */
  setWindowUnlimited(): void {
    this.#receiveWindow.setUnlimited();
  }

  /** Closes the channel and rejects the pending requests with `reason`. Harmless when repeated. */
  close(reason: Error): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = reason;
    const unanswered = [...this.#pending.values()];
    this.#pending.clear();
    this.#channel.destroy();
    this.#handshake.reject(reason);
    for (const pending of unanswered) pending.reject(reason);
    this.#onClosed?.();
  }

  #shakeHands(): Promise<ReadonlyMap<string, string>> {
    this.#writer.begin(Packet.INIT).u32(SFTP_VERSION).end();
    this.#flush();
    return this.#handshake.promise;
  }

  #onPacket(packet: Buffer): void {
    this.#receiveWindow.received(packet.length);
    if (packet[0] === Packet.VERSION) {
      this.#handshake.resolve(readExtensions(new PacketReader(packet)));
      return;
    }
    const id = packet.length >= 5 ? packet.readUInt32BE(1) : -1;
    const pending = this.#pending.get(id);
    if (pending === undefined) throw new ChannelClosedError('the server sent a reply to no request');
    this.#pending.delete(id);
    this.#slow.delete(id);
    this.#answered += 1;
    pending.settle(new PacketReader(packet));
  }

  #onEnd(error: Error | undefined): void {
    const how = error?.message ? `: ${error.message}` : ' by the server';
    this.close(new ChannelClosedError(`the SFTP channel was closed${how}`));
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    setImmediate(this.#endTurn);
  }

  // A property, so that it is bound once: it is scheduled in every turn of the event loop.
  readonly #endTurn = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#closedBy !== undefined) return;
    this.#receiveWindow.grant();
    if (this.#writer.length === 0) return;
    const requests = this.#writer.take();
    this.#channel.write(requests, () => this.#writer.recycle(requests));
  }
}
