import { randomBytes } from 'node:crypto';
import { createHalfSipHash, type Hash64 } from '../core/half-siphash.ts';
import type { Name } from '../name.ts';

/** A file's name, size in bytes and mtime in seconds → 64 bits. */
export type KeyedHash = (name: Name, size: number, mtime: number) => Hash64;

/** @param key 8 bytes */
export const createKeyedHash = (key: Buffer): KeyedHash => {
  const hash = createHalfSipHash(key);
  let words = new Int32Array(64);
  return (name, size, mtime) => {
    const count = 4 + ((name.length + 1) >> 1);
    if (count > words.length) words = new Int32Array(count * 2);
    words[0] = size;
    words[1] = size / 2 ** 32;
    words[2] = mtime;
    words[3] = name.length;
    // Behind an odd last unit charCodeAt is NaN, which counts as 0.
    for (let at = 4, unit = 0; at < count; at += 1, unit += 2)
      words[at] = name.charCodeAt(unit) | (name.charCodeAt(unit + 1) << 16);
    return hash(words, count);
  };
};

/** With a key of this process alone. */
export const listingHash = createKeyedHash(randomBytes(8));
