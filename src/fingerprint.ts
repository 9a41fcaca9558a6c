import { randomBytes } from 'node:crypto';
import type { Name } from './name.ts';

/** 64 bits, as two numbers. */
export type Fingerprint = readonly [first: number, second: number];
export type KeyedHash = (name: Name, size: number, mtime: number) => Fingerprint;

/**
 * HalfSipHash-2-4 with 64 bits of output, over numbers and the code units of a name. It is made for names that a stranger chooses:
 * who does not know the key cannot find two that look alike. A call into OpenSSL for each name costs ten times as much.
 * @param key 8 bytes
 */
export const createKeyedHash = (key: Buffer): KeyedHash => {
  const k0 = key.readUInt32LE(0);
  const k1 = key.readUInt32LE(4);
  return (name, size, mtime) => {
    const words = 4 + ((name.length + 1) >> 1);
    let v0 = k0;
    let v1 = k1 ^ 0xee;
    let v2 = k0 ^ 0x6c796765;
    let v3 = k1 ^ 0x74656462;
    let first = 0;
    // All the words, and two more turns that only mix: one before each half of the result.
    for (let at = 0; at < words + 2; at += 1) {
      let word = 0;
      if (at === 0) word = size | 0;
      else if (at === 1) word = (size / 2 ** 32) | 0;
      else if (at === 2) word = mtime | 0;
      else if (at === 3) word = name.length;
      else if (at < words) word = name.charCodeAt(at * 2 - 8) | (name.charCodeAt(at * 2 - 7) << 16);
      v3 ^= word;
      for (let rounds = at < words ? 2 : 4; rounds > 0; rounds -= 1) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
      }
      v0 ^= word;
      if (at === words - 1) v2 ^= 0xee;
      if (at === words) {
        first = (v1 ^ v3) >>> 0;
        v1 ^= 0xdd;
      }
    }
    return [first, (v1 ^ v3) >>> 0];
  };
};

/** With a key of this process alone. */
export const fingerprint = createKeyedHash(randomBytes(8));
