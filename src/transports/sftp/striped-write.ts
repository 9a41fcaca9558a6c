import type { SftpClient } from '../../sftp/client.ts';
import { OpenFlag } from '../../sftp/protocol.ts';
import type { Name } from '../../transport.ts';
import type { Attempt } from './checkpoints.ts';
import {
  acquireContent,
  answered,
  CHUNK_BYTES,
  IN_FLIGHT_BYTES,
  releaseContent,
  type Content,
  type Stripe,
  type Written,
} from './content.ts';
import { bytesOf, gapsIn, joined, type Range } from './ranges.ts';
import { syncUnlessRefused } from './seal.ts';
import { isRefusal } from './server-habits.ts';
import { noteWritten, type Session } from './session.ts';
import { readChunk } from './source.ts';

/** With less than this left, another channel is not worth its OPEN and CLOSE. */
const STRIPE_BYTES = 4 * 1024 * 1024;
/** At most this much work is repeated after a power failure of the server; what was sent since is read back and compared. */
const CHECKPOINT_EVERY_MS = 10_000;

/**
 * Writes what is missing, in chunks that are spread over the channels of the session: the first stripe's at once, the others as
 * soon as the file is open there. A channel that opens later joins, and one that refuses the file is done without.
 */
export class StripedWrite {
  readonly #session: Session;
  readonly #content: Content;
  readonly #attempt: Attempt;
  readonly #signal: AbortSignal;
  readonly #asked = new Set<SftpClient>();
  readonly #others: Stripe[] = [];
  readonly #running: Promise<void>[] = [];
  /** Chunks in flight by their offsets, and those that failed. */
  readonly #inFlight = new Map<number, number>();
  /** Bytes that are not asked for yet. */
  #left: number;
  readonly #size: number;
  /** What is not asked for yet; the first one begins at `#next`. */
  readonly #ranges: Range[];
  #next: number;
  readonly #failures: unknown[] = [];
  #lastCheckpoint = performance.now();

  constructor(session: Session, content: Content, attempt: Attempt, signal: AbortSignal) {
    this.#session = session;
    this.#content = content;
    this.#attempt = attempt;
    this.#signal = signal;
    this.#size = Number(content.file.identity.size);
    this.#ranges = [...content.missing];
    this.#left = bytesOf(content.missing);
    this.#next = content.missing[0]?.start ?? this.#size;
  }

  /**
   * Resolves when what is in flight is answered. The first stripe stays open, the others are closed, however it ends.
   * @param temporary is opened once more on each channel that joins; undefined: none does
   */
  async run(first: Stripe, temporary: Name | undefined): Promise<Written> {
    this.#asked.add(first.channel);
    this.#start(first, temporary);
    for (const running of this.#running) await running; // More are added while it runs.
    const closed = closeAll(this.#others);
    if (this.#failures.length > 0) {
      await closed.catch(() => undefined);
      throw this.#failures[0];
    }
    return { there: this.#there(), closed };
  }

  /** All but what is in flight, or not asked for yet. */
  #there(): readonly Range[] {
    const inFlight = [...this.#inFlight].map(([start, length]) => ({ start, end: start + length }));
    const [first, ...others] = this.#ranges;
    const left = first === undefined ? [] : [{ start: this.#next, end: first.end }, ...others];
    return gapsIn(joined([...inFlight, ...left].toSorted((a, b) => a.start - b.start)), this.#size);
  }

  get #isDone(): boolean {
    return this.#left === 0 || this.#failures.length > 0 || this.#signal.aborted;
  }

  #start(stripe: Stripe, temporary: Name | undefined): void {
    const chunk = Math.min(CHUNK_BYTES, stripe.channel.limits.write);
    const count = Math.min(Math.ceil(IN_FLIGHT_BYTES / chunk), Math.ceil(this.#left / chunk));
    for (let worker = 0; worker < count; worker += 1) this.#running.push(this.#work(stripe, chunk, temporary));
  }

  async #work(stripe: Stripe, chunk: number, temporary: Name | undefined): Promise<void> {
    try {
      while (!this.#isDone) {
        if (temporary !== undefined) this.#joinMore(temporary);
        await this.#sendChunk(stripe, chunk);
        await this.#saveCheckpoint(stripe);
      }
    } catch (error) {
      if (!this.#signal.aborted) this.#failures.push(error);
    }
  }

  #joinMore(temporary: Name): void {
    const { all } = this.#session.channels;
    if (all.length === this.#asked.size || this.#left < STRIPE_BYTES) return; // Hot path.
    for (const channel of all) {
      if (this.#asked.has(channel)) continue;
      this.#asked.add(channel);
      this.#running.push(this.#join(channel, temporary));
    }
  }

  async #join(channel: SftpClient, temporary: Name): Promise<void> {
    try {
      const stripe = { channel, handle: await channel.open(temporary, OpenFlag.WRITE, {}) };
      this.#others.push(stripe);
      if (!this.#isDone) this.#start(stripe, temporary);
    } catch (error) {
      if (!isRefusal(error)) this.#failures.push(error);
    }
  }

  async #sendChunk({ channel, handle }: Stripe, most: number): Promise<void> {
    const { chunks, rateLimit } = this.#session;
    const { source, file, sum, confirmed } = this.#content;
    const offset = this.#next;
    const length = this.#take(most);
    this.#inFlight.set(offset, length);
    await acquireContent(this.#session, length);
    const buffer = chunks.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    try {
      await rateLimit(length, this.#signal);
      const chunk = await readChunk(source, file, offset, buffer.subarray(0, length));
      sum?.add(offset, chunk);
      await answered(this.#session, channel.write(handle, offset, chunk));
      this.#inFlight.delete(offset);
      noteWritten(this.#session, file, confirmed, length);
    } finally {
      chunks.push(buffer);
      releaseContent(this.#session, length);
    }
  }

  /** Moves `#next` over the next chunk, and over what is there behind it. Returns the length of the chunk. */
  #take(most: number): number {
    const end = this.#ranges[0]?.end ?? this.#size;
    const length = Math.min(most, end - this.#next);
    this.#left -= length;
    this.#next += length;
    if (this.#next === end) {
      this.#ranges.shift();
      this.#next = this.#ranges[0]?.start ?? this.#size;
    }
    return length;
  }

  async #saveCheckpoint(stripe: Stripe): Promise<void> {
    if (performance.now() - this.#lastCheckpoint < CHECKPOINT_EVERY_MS) return;
    this.#lastCheckpoint = performance.now();
    const there = this.#there();
    if (await syncUnlessRefused(this.#session, stripe, this.#content.file.targetPath)) this.#attempt.save(there);
  }
}

const closeAll = (stripes: readonly Stripe[]): Promise<void> => {
  const closed = Promise.allSettled(stripes.map(({ channel, handle }) => channel.close(handle))).then((results) => {
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
  closed.catch(() => undefined); // It may be awaited later.
  return closed;
};
