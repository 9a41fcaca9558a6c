import type { SftpClient } from '../../sftp/client.ts';
import { OpenFlag } from '../../sftp/protocol.ts';
import type { IncomingFile, Name } from '../../transport.ts';
import { isRefusal } from './server-habits.ts';
import type { Session } from './session.ts';
import type { Stripe } from './write-content.ts';

/** OpenSSH gives up to 255 KB at once, most others 32 KB: what comes short shows that. */
const FIRST_PIECE_BYTES = 128 * 1024;
const LEAST_PIECE_BYTES = 16 * 1024;
const IN_FLIGHT_BYTES = 2 * 1024 * 1024;
/** With less than this left, another channel is not worth its OPEN and CLOSE. */
const STRIPE_BYTES = 4 * 1024 * 1024;
/** So far what is asked for may be ahead of what the receiver has. */
const MOST_AHEAD_BYTES = 16 * 1024 * 1024;

interface Piece {
  readonly offset: number;
  readonly length: number;
}

/**
 * Reads one big file from its offset to its size, with many requests in flight, spread over the channels of the session. What comes out of
 * order waits for what is before it, so that the receiver gets one piece after the other; no more waits than is in flight.
 */
export class FetchContent {
  readonly #session: Session;
  readonly #file: IncomingFile;
  readonly #signal: AbortSignal;
  /** By offset: what came before its turn. */
  readonly #early = new Map<number, Buffer>();
  /** What a server gave short. */
  readonly #again: Piece[] = [];
  readonly #others: Stripe[] = [];
  readonly #asked = new Set<SftpClient>();
  readonly #running: Promise<void>[] = [];
  readonly #failures: unknown[] = [];
  #pieceBytes = FIRST_PIECE_BYTES;
  #next: number;
  #taken: number;
  #isEnded = false;
  #wake = Promise.withResolvers<undefined>();

  constructor(session: Session, file: IncomingFile, signal: AbortSignal) {
    this.#session = session;
    this.#file = file;
    this.#signal = signal;
    this.#next = file.offset;
    this.#taken = file.offset;
  }

  /** Resolves when the receiver has all, or the file turned out to be shorter. The first stripe stays open, the others are closed. */
  async run(first: Stripe, path: Name): Promise<void> {
    this.#asked.add(first.channel);
    this.#start(first, path);
    for (const running of this.#running) await running; // More are added while it runs.
    await Promise.allSettled(this.#others.map(({ channel, handle }) => channel.close(handle)));
    if (this.#failures.length > 0) throw this.#failures[0];
    this.#signal.throwIfAborted();
  }

  get #isOver(): boolean {
    return this.#taken >= this.#file.size || this.#isEnded || this.#failures.length > 0 || this.#signal.aborted;
  }

  #start(stripe: Stripe, path: Name): void {
    const left = this.#file.size - this.#next;
    const count = Math.min(Math.ceil(IN_FLIGHT_BYTES / this.#pieceBytes), Math.ceil(left / this.#pieceBytes));
    for (let worker = 0; worker < count; worker += 1) this.#running.push(this.#work(stripe, path));
  }

  async #work(stripe: Stripe, path: Name): Promise<void> {
    try {
      while (!this.#isOver) {
        this.#joinMore(path);
        const piece = this.#nextPiece();
        if (piece === undefined) {
          // What others wait for may come short, and be asked for again, or is far behind.
          await this.#wake.promise;
          continue;
        }
        await this.#fetch(stripe, piece);
      }
    } catch (error) {
      this.#failures.push(error);
    }
    this.#wakeAll();
  }

  #nextPiece(): Piece | undefined {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    const length = Math.min(this.#pieceBytes, this.#file.size - this.#next);
    if (length <= 0 || this.#next - this.#taken > MOST_AHEAD_BYTES) return undefined;
    const offset = this.#next;
    this.#next += length;
    return { offset, length };
  }

  #joinMore(path: Name): void {
    const { all } = this.#session.channels;
    if (all.length === this.#asked.size || this.#file.size - this.#next < STRIPE_BYTES) return; // Hot path.
    for (const channel of all) {
      if (this.#asked.has(channel)) continue;
      this.#asked.add(channel);
      this.#running.push(this.#join(channel, path));
    }
  }

  async #join(channel: SftpClient, path: Name): Promise<void> {
    try {
      const stripe = { channel, handle: await channel.open(path, OpenFlag.READ, {}) };
      this.#others.push(stripe);
      if (!this.#isOver) this.#start(stripe, path);
    } catch (error) {
      if (!isRefusal(error)) this.#failures.push(error);
    }
  }

  async #fetch({ channel, handle }: Stripe, { offset, length }: Piece): Promise<void> {
    const { content, rateLimit } = this.#session;
    await content.acquire(length);
    try {
      await rateLimit(length, this.#signal);
      const piece = await channel.read(handle, offset, length);
      if (piece === undefined || piece.length === 0) this.#isEnded = true;
      else this.#came(offset, length, piece);
    } finally {
      content.release(length);
      this.#wakeAll();
    }
  }

  #came(offset: number, length: number, piece: Buffer): void {
    if (piece.length < length) {
      this.#pieceBytes = Math.max(LEAST_PIECE_BYTES, Math.min(this.#pieceBytes, piece.length));
      this.#again.push({ offset: offset + piece.length, length: length - piece.length });
    }
    this.#early.set(offset, piece);
    for (let next = this.#early.get(this.#taken); next !== undefined; next = this.#early.get(this.#taken)) {
      this.#early.delete(this.#taken);
      this.#taken += next.length;
      this.#file.write(next);
    }
  }

  #wakeAll(): void {
    this.#wake.resolve(undefined);
    this.#wake = Promise.withResolvers<undefined>();
  }
}
