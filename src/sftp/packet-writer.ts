import { encodeName, type Name } from '../name.ts';
import { AttributeFlag, type Attributes } from './protocol.ts';

const INITIAL_CAPACITY = 64 * 1024;
/** A buffer that grew beyond this is not reused. */
const MAX_RECYCLED_BYTES = 1024 * 1024;
/** As many as a channel has under way when it sends a large file. */
const MAX_SPARES = 4;

/**
 * Encodes consecutive packets into one buffer, so that many are sent in one write: a write for each request costs
 * twice the CPU (an SSH packet, a cipher call and a system call each).
 *
 * `begin(type)`, then the fields, then `end()`; `take()` returns everything encoded so far and empties the writer.
 */
export class PacketWriter {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_CAPACITY);
  readonly #spares: Buffer<ArrayBuffer>[] = [];
  readonly #lent = new WeakSet<ArrayBuffer>();
  #length = 0;
  #start = 0;

  /** Bytes encoded and not yet taken. */
  get length(): number {
    return this.#length;
  }

  begin(type: number): this {
    this.#start = this.#length;
    this.#reserve(5);
    this.#length += 4;
    return this.u8(type);
  }

  end(): void {
    this.#buffer.writeUInt32BE(this.#length - this.#start - 4, this.#start);
  }

  /** Everything encoded since the last call. The caller owns the bytes; it may return them with `recycle`. */
  take(): Buffer<ArrayBuffer> {
    const encoded = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    // A few packets are copied out, so that the buffer is reused; a fuller buffer is handed over without a copy.
    if (encoded.length < INITIAL_CAPACITY / 4) return Buffer.from(encoded);
    this.#lent.add(this.#buffer.buffer);
    this.#buffer = this.#spares.pop() ?? Buffer.allocUnsafeSlow(INITIAL_CAPACITY);
    return encoded;
  }

  /** The bytes were sent and their memory may be reused: thousands of new buffers would have to wait for the garbage collector. */
  recycle({ buffer }: Buffer<ArrayBuffer>): void {
    if (!this.#lent.delete(buffer) || buffer.byteLength > MAX_RECYCLED_BYTES) return;
    if (this.#spares.length < MAX_SPARES) this.#spares.push(Buffer.from(buffer));
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value >>> 0, this.#length);
    return this;
  }

  /** A size or offset up to 2^53. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  /** A length and the bytes: handles, data, text in ASCII or UTF-8. */
  bytes(value: Buffer | string): this {
    const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
    this.u32(length).#reserve(length);
    if (typeof value === 'string') this.#buffer.write(value, this.#length);
    else value.copy(this.#buffer, this.#length);
    this.#length += length;
    return this;
  }

  name(value: Name): this {
    return this.bytes(value.isWellFormed() ? value : encodeName(value));
  }

  attributes(attributes: Attributes): this {
    const { size, uid, gid, permissions, atime, mtime } = attributes;
    const owned = uid !== undefined && gid !== undefined;
    const dated = atime !== undefined && mtime !== undefined;
    this.u32(
      (size === undefined ? 0 : AttributeFlag.SIZE) |
        (owned ? AttributeFlag.UIDGID : 0) |
        (permissions === undefined ? 0 : AttributeFlag.PERMISSIONS) |
        (dated ? AttributeFlag.ACMODTIME : 0),
    );
    if (size !== undefined) this.u64(size);
    if (owned) this.u32(uid).u32(gid);
    if (permissions !== undefined) this.u32(permissions);
    if (dated) this.u32(atime).u32(mtime);
    return this;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#length + more));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
