import { randomBytes } from 'node:crypto';
import { createTextHash, type Hash64 } from '../core/half-siphash.ts';
import type { Name } from '../name.ts';

/** A file's name, size in bytes and mtime in seconds → 64 bits. */
export type KeyedHash = (name: Name, size: number, mtime: number) => Hash64;

/** @param key 8 bytes */
export const createKeyedHash = (key: Buffer): KeyedHash => {
  const hash = createTextHash(key);
  return (name, size, mtime) => hash(name, size, size / 2 ** 32, mtime);
};

/** With a key of this process alone. */
export const listingHash = createKeyedHash(randomBytes(8));
