import { createHash, type Hash } from 'node:crypto';

/** Pieces that were read and wait for an earlier one: with more bytes than these the sum is given up. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;

/** The SHA-256 of a file that is read in pieces, not always in their order. */
export class ContentSum {
  readonly #hash: Hash = createHash('sha256');
  readonly #waiting = new Map<number, Buffer>();
  #waitingBytes = 0;
  #end = 0;
  #isGivenUp = false;

  /** `piece` may be reused afterwards. */
  add(offset: number, piece: Buffer): void {
    if (this.#isGivenUp) return;
    this.#waiting.set(offset, offset === this.#end ? piece : Buffer.from(piece));
    this.#waitingBytes += piece.length;
    for (let next = this.#waiting.get(this.#end); next !== undefined; next = this.#waiting.get(this.#end)) {
      this.#waiting.delete(this.#end);
      this.#waitingBytes -= next.length;
      this.#hash.update(next);
      this.#end += next.length;
    }
    if (this.#waitingBytes <= MOST_WAITING_BYTES) return;
    this.#isGivenUp = true;
    this.#waiting.clear();
  }

  /** undefined where it did not get the whole file: the rest of an earlier attempt was sent. */
  end(size: number): Buffer | undefined {
    return this.#isGivenUp || this.#end !== size ? undefined : this.#hash.digest();
  }
}
