import { randomFillSync } from 'node:crypto';

/** What ssh2 1.17 has of its AES-GCM cipher for outgoing packets. */
export interface PacketCipher {
  allocPacket?: (payloadBytes: number) => Buffer;
  encrypt?: (packet: Buffer) => void;
  _onWrite?: (data: Buffer) => void;
}

/** Of what OpenSSH takes in one packet (32 KiB), with all that is around it. */
const MOST_BYTES = 34 * 1024;
/** A smaller one comes out of Node's pool, which costs as little. */
const POOLED_BYTES = 4 * 1024;
const BLOCK_BYTES = 16;
const LEAST_PADDING = 4;
const RANDOM_BYTES = 4 * 1024;

/**
 * The outgoing packets of one cipher (RFC 4253 §6, RFC 5647 §5.2). ssh2 allocates each of them outside V8's heap and asks OpenSSL for its few
 * bytes of padding: a third of the processor time of a big file, most of it the collector's. Here large packets share one buffer, since
 * each is encrypted before the next one is made, and random bytes are asked for by the 4 KiB.
 */
export class PacketBuffers {
  readonly #shared = Buffer.allocUnsafeSlow(MOST_BYTES);
  /** What waits for the end of a key exchange keeps it: the next cipher has another one. */
  #isFree = true;
  readonly #random = Buffer.allocUnsafeSlow(RANDOM_BYTES);
  #randomUsed = RANDOM_BYTES;

  /** Makes the cipher use them; one that lacks these methods stays as it is. */
  serve(cipher: PacketCipher): void {
    const { encrypt, _onWrite: write } = cipher;
    if (cipher.allocPacket === undefined || encrypt === undefined || write === undefined) return;
    cipher.allocPacket = (payloadBytes) => this.#allocate(payloadBytes);
    cipher.encrypt = (packet) => {
      encrypt.call(cipher, packet);
      if (this.#isShared(packet)) this.#isFree = true;
    };
    // The length goes out as it is, a part of the packet, and waits for the socket.
    cipher._onWrite = (data) => write(this.#isShared(data) ? Buffer.from(data) : data);
  }

  #isShared({ buffer }: Buffer): boolean {
    return buffer === this.#shared.buffer;
  }

  #allocate(payloadBytes: number): Buffer {
    const unpadded = 1 + payloadBytes;
    let padding = BLOCK_BYTES - (unpadded % BLOCK_BYTES);
    if (padding < LEAST_PADDING) padding += BLOCK_BYTES;
    const packet = this.#take(4 + unpadded + padding);
    packet.writeUInt32BE(unpadded + padding);
    packet[4] = padding;
    packet.set(this.#someRandom(padding), 4 + unpadded);
    return packet;
  }

  #take(bytes: number): Buffer {
    if (bytes < POOLED_BYTES || bytes > MOST_BYTES || !this.#isFree) return Buffer.allocUnsafe(bytes);
    this.#isFree = false;
    return this.#shared.subarray(0, bytes);
  }

  #someRandom(bytes: number): Buffer {
    if (this.#randomUsed + bytes > RANDOM_BYTES) {
      randomFillSync(this.#random);
      this.#randomUsed = 0;
    }
    this.#randomUsed += bytes;
    return this.#random.subarray(this.#randomUsed - bytes, this.#randomUsed);
  }
}
