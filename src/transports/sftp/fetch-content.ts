import type { SftpClient } from '../../sftp/client.ts';
import { OpenFlag } from '../../sftp/protocol.ts';
import type { IncomingFile, Name } from '../../transport.ts';
import { isRefusal } from './server-habits.ts';
import type { Session } from './session.ts';
import type { Stripe } from './content.ts';

/** OpenSSH gives up to 255 KB at once, most others 32 KB: what comes short shows that. */
const FIRST_PIECE_BYTES = 255 * 1024;
const LEAST_PIECE_BYTES = 16 * 1024;
/** On each channel. Once half of it has come, the other half is asked for, in one write. */
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;
/** With less than this left, another channel is not worth its OPEN and CLOSE. */
const STRIPE_BYTES = 8 * 1024 * 1024;
/** So far what is asked for may be ahead of what the receiver has. */
const MOST_AHEAD_BYTES = 16 * 1024 * 1024;

interface Piece {
  readonly offset: number;
  readonly length: number;
}

interface Lane extends Stripe {
  inFlight: number;
}

/**
 * Reads one big file from its offset to its size, with many requests in flight, spread over the channels of the session. What comes out of
 * order waits for what is before it, so that the receiver gets one piece after the other.
 */
export class FetchContent {
  readonly #session: Session;
  readonly #file: IncomingFile;
  readonly #signal: AbortSignal;
  readonly #lanes: Lane[] = [];
  /** By offset: what came before its turn. */
  readonly #early = new Map<number, Buffer>();
  /** What a server gave short. */
  readonly #again: Piece[] = [];
  readonly #path: Name;
  readonly #asked = new Set<SftpClient>();
  readonly #joining: Promise<void>[] = [];
  readonly #done = Promise.withResolvers<undefined>();
  #pieceBytes = FIRST_PIECE_BYTES;
  #next: number;
  #taken: number;
  #inFlight = 0;
  #isEnded = false;
  #failure: { readonly error: unknown } | undefined;

  /** @param path of the file at the server */
  constructor(session: Session, file: IncomingFile, path: Name, signal: AbortSignal) {
    this.#session = session;
    this.#file = file;
    this.#path = path;
    this.#signal = signal;
    this.#next = file.offset;
    this.#taken = file.offset;
  }

  /** Resolves when the receiver has all, or the file turned out to be shorter. The first stripe stays open, the others are closed. */
  async run(first: Stripe): Promise<void> {
    this.#asked.add(first.channel);
    this.#addLane(first);
    this.#joinMore();
    await this.#done.promise;
    await Promise.all(this.#joining);
    await Promise.allSettled(this.#lanes.slice(1).map(({ channel, handle }) => channel.close(handle)));
    this.#signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  get #isOver(): boolean {
    return this.#taken >= this.#file.size || this.#isEnded || this.#failure !== undefined || this.#signal.aborted;
  }

  #addLane({ channel, handle }: Stripe): void {
    const lane = { channel, handle, inFlight: 0 };
    this.#lanes.push(lane);
    this.#fill(lane);
  }

  #fill(lane: Lane): void {
    if (lane.inFlight > IN_FLIGHT_BYTES / 2) return;
    while (!this.#isOver && lane.inFlight < IN_FLIGHT_BYTES) {
      const piece = this.#nextPiece();
      if (piece === undefined) break;
      lane.inFlight += piece.length;
      this.#inFlight += 1;
      void this.#fetch(lane, piece);
    }
    if (this.#inFlight === 0) this.#done.resolve(undefined);
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

  async #fetch(lane: Lane, { offset, length }: Piece): Promise<void> {
    try {
      const delay = this.#session.rateLimit(length, this.#signal);
      if (delay !== undefined) await delay;
      const got = await lane.channel.readWith(lane.handle, offset, length, (data) => this.#came(offset, data));
      if (got === 0) this.#isEnded = true;
      else if (got < length) {
        this.#pieceBytes = Math.max(LEAST_PIECE_BYTES, Math.min(this.#pieceBytes, got));
        this.#again.push({ offset: offset + got, length: length - got });
      }
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#inFlight -= 1;
    lane.inFlight -= length;
    this.#joinMore();
    // Another lane may have waited for what this one brought.
    for (const one of this.#lanes) this.#fill(one);
  }

  /** `data` is valid during the call only. */
  #came(offset: number, data: Buffer): void {
    if (this.#isOver) return;
    if (offset !== this.#taken) {
      this.#early.set(offset, Buffer.from(data));
      return;
    }
    this.#take(data);
    for (let next = this.#early.get(this.#taken); next !== undefined; next = this.#early.get(this.#taken)) {
      this.#early.delete(this.#taken);
      this.#take(next);
    }
  }

  #take(data: Buffer): void {
    this.#taken += data.length;
    this.#file.write(data);
  }

  #joinMore(): void {
    const { all } = this.#session.channels;
    if (all.length === this.#asked.size || this.#file.size - this.#next < STRIPE_BYTES) return; // Hot path.
    for (const channel of all) {
      if (this.#asked.has(channel)) continue;
      this.#asked.add(channel);
      this.#joining.push(this.#join(channel));
    }
  }

  async #join(channel: SftpClient): Promise<void> {
    try {
      const stripe = { channel, handle: await channel.open(this.#path, OpenFlag.READ, {}) };
      this.#addLane(stripe);
    } catch (error) {
      if (!isRefusal(error)) this.#failure ??= { error };
    }
  }
}
