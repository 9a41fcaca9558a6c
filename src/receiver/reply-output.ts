import type { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { PacketWriter } from '../sftp/packet-writer.ts';

/** Encoded replies are written at the latest when they reach this size. */
const FLUSH_BYTES = 256 * 1024;
/** Unsent bytes in the socket above which the session waits for its drain: enough for any connection, and bounds its memory. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

/** Collects the replies of a session, writes them to its channel, and reports back-pressure. */
export class ReplyOutput {
  /** Replies are encoded here until the next flush. */
  readonly writer = new PacketWriter();
  readonly #channel: ServerChannel;
  readonly #socket: Socket;
  readonly #onDrain: () => void;
  #isStalled = false;
  #isClosed = false;

  /**
   * @param socket of the connection. ssh2 writes to it without regard to back-pressure, so its buffer is checked here.
   * @param onDrain is called each time that `isStalled` becomes false again
   */
  constructor(channel: ServerChannel, socket: Socket, onDrain: () => void) {
    this.#channel = channel;
    this.#socket = socket;
    this.#onDrain = onDrain;
  }

  /** Whether the client does not read its replies: no request should be served now. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  flush(): void {
    if (this.writer.length === 0 || this.#isClosed) return;
    if (!this.#channel.write(this.writer.take())) this.#waitForDrain(this.#channel);
    else if (this.#socket.writableLength > MAX_UNSENT_BYTES) this.#waitForDrain(this.#socket);
  }

  flushIfLarge(): void {
    if (this.writer.length >= FLUSH_BYTES) this.flush();
  }

  /** Nothing is written afterwards. */
  close(): void {
    this.#isClosed = true;
  }

  #waitForDrain(stream: ServerChannel | Socket): void {
    this.#isStalled = true;
    stream.once('drain', () => {
      this.#isStalled = false;
      this.#onDrain();
    });
  }
}
