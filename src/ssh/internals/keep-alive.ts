import type { Socket } from 'node:net';
import type { Connection } from 'ssh2';

/** What ssh2 1.17 calls for each whole packet: it begins to count unanswered keep-alives anew. */
interface Counting {
  readonly _protocol?: { readonly _onPacket?: () => void };
}

/** The slowest reader that is waited for, in bytes a millisecond. */
const LEAST_BYTES_PER_MS = 16;
const LEAST_EVERY_MS = 50;
/** A login, keep-alives: read in a moment. */
const LITTLE_BYTES = 16 * 1024;
/** Of what was sent, at most so much is still unread: the windows of the channels, and what the kernels hold. */
const MOST_UNREAD_BYTES = 4 * 1024 * 1024;

/**
 * Counts as life what ssh2 does not: every byte that comes, not only the last one of a packet (on a slow line one packet takes minutes, and the
 * answer to a keep-alive waits behind it); and the time that it takes to read what was sent, since the client sees a keep-alive only behind
 * that. An ssh2 without this method stays as it is.
 * @param everyMs between two keep-alives
 */
export const countAllLife = (client: Connection, socket: Socket, everyMs: number): void => {
  const isAlive = (): void => (client as Counting)._protocol?._onPacket?.();
  const unread = new UnreadBytes(performance.now());
  socket.on('data', isAlive);
  const timer = setInterval(
    () => {
      if (unread.mayRemain(socket.bytesWritten, performance.now())) isAlive();
    },
    Math.max(everyMs, LEAST_EVERY_MS),
  );
  timer.unref();
  socket.once('close', () => clearInterval(timer));
};

/** How much of what was sent a slow client may not have read yet. */
class UnreadBytes {
  #bytes = 0;
  #written = 0;
  #ms: number;

  constructor(nowMs: number) {
    this.#ms = nowMs;
  }

  /** @param written bytes, since the beginning */
  mayRemain(written: number, nowMs: number): boolean {
    const read = (nowMs - this.#ms) * LEAST_BYTES_PER_MS;
    this.#bytes = Math.min(Math.max(0, this.#bytes - read) + written - this.#written, MOST_UNREAD_BYTES);
    [this.#written, this.#ms] = [written, nowMs];
    return this.#bytes > LITTLE_BYTES;
  }
}
