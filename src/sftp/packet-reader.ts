import { AttributeFlag, MAX_PACKET_BYTES, type Attributes } from './protocol.ts';

/** The peer sent something that is not an SFTP packet. The channel cannot be used any more. */
export class MalformedPacketError extends Error {
  override readonly name = 'MalformedPacketError';
}

/** Reads the fields of one packet in order. Every read beyond the end throws `MalformedPacketError`. */
export class PacketReader {
  readonly #packet: Buffer;
  #at = 0;

  constructor(packet: Buffer) {
    this.#packet = packet;
  }

  get remaining(): number {
    return this.#packet.length - this.#at;
  }

  u8(): number {
    return this.#packet.readUInt8(this.#advance(1));
  }

  u32(): number {
    return this.#packet.readUInt32BE(this.#advance(4));
  }

  /** A size or offset; beyond 2^53 the packet is malformed. */
  u64(): number {
    const value = this.u32() * 2 ** 32 + this.u32();
    if (value > Number.MAX_SAFE_INTEGER) throw new MalformedPacketError(`number out of range: ${value}`);
    return value;
  }

  /** A view into the packet: copy it to keep it. */
  bytes(): Buffer {
    const length = this.u32();
    const start = this.#advance(length);
    return this.#packet.subarray(start, start + length);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  /** Skips a string. */
  skip(): void {
    this.#advance(this.u32());
  }

  attributes(): Attributes {
    const flags = this.u32();
    const attributes: { -readonly [Field in keyof Attributes]: Attributes[Field] } = {};
    if (flags & AttributeFlag.SIZE) attributes.size = this.u64();
    if (flags & AttributeFlag.UIDGID) {
      attributes.uid = this.u32();
      attributes.gid = this.u32();
    }
    if (flags & AttributeFlag.PERMISSIONS) attributes.permissions = this.u32();
    if (flags & AttributeFlag.ACMODTIME) {
      attributes.atime = this.u32();
      attributes.mtime = this.u32();
    }
    if (flags & AttributeFlag.EXTENDED) {
      for (let strings = this.u32() * 2; strings > 0; strings -= 1) this.skip();
    }
    return attributes;
  }

  #advance(length: number): number {
    const start = this.#at;
    if (start + length > this.#packet.length) throw new MalformedPacketError('packet ends too early');
    this.#at = start + length;
    return start;
  }
}

/**
 * Splits a stream of bytes into packets (without their length). Packets arrive in chunks of any size; `onPacket` gets a view
 * that is valid until it returns.
 */
export const createPacketSplitter = (onPacket: (packet: Buffer) => void) => {
  let pieces: Buffer[] = [];
  let bufferedBytes = 0;
  return (chunk: Buffer): void => {
    let data = chunk;
    if (bufferedBytes > 0) {
      pieces.push(chunk);
      bufferedBytes += chunk.length;
      const head = pieces[0] ?? chunk;
      // Joined only once a packet is complete: a large one arrives in many chunks, and joining at each would be quadratic.
      if (head.length >= 4 && bufferedBytes < 4 + packetLength(head, 0)) return;
      data = Buffer.concat(pieces, bufferedBytes);
    }
    let at = 0;
    while (data.length - at >= 4) {
      const length = packetLength(data, at);
      if (data.length - at - 4 < length) break;
      onPacket(data.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    bufferedBytes = data.length - at;
    pieces = bufferedBytes > 0 ? [data.subarray(at)] : [];
  };
};

/** What to say of text that came instead of a packet, as a login shell prints it; undefined: it is no text. */
const describeText = (data: string): string | undefined => {
  const text = /^[\x20-\x7e\s]{4,80}/.exec(data)?.[0].replace(/\s+/g, ' ').trim();
  return text === undefined ? undefined : `text came where an SFTP packet was expected, "${text}"`;
};

const packetLength = (data: Buffer, at: number): number => {
  const length = data.readUInt32BE(at);
  if (length === 0 || length > MAX_PACKET_BYTES)
    throw new MalformedPacketError(describeText(data.toString('latin1', at)) ?? `packet of ${length} bytes`);
  return length;
};
