import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyedHash } from '../../../src/verify/listing-hash.ts';
import { createHalfSipHash } from '../../../src/core/half-siphash.ts';
import { createFileSet } from '../../../src/verify/folder-listing.ts';
import { decodeName } from '../../../src/name.ts';

const name = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => decodeName(Buffer.from(bytes)));
const file = fc.record({ name, size: fc.maxSafeNat(), mtime: fc.integer({ min: 0, max: 0xffffffff }) });
const keyOf = ({ name, size, mtime }: { name: string; size: number; mtime: number }): string =>
  JSON.stringify([name, size, mtime]);

describe('a set of files', () => {
  it('has what was added, and nothing that differs in name, size or mtime', () => {
    fc.assert(
      fc.property(fc.array(file, { maxLength: 60 }), file, (files, other) => {
        const set = createFileSet();
        for (const one of files) set.add(one.name, one.size, one.mtime);
        const known = new Set(files.map(keyOf));
        const near = files.flatMap((one) => [
          one,
          { ...one, size: other.size },
          { ...one, mtime: other.mtime },
          { ...one, name: other.name },
          { ...one, name: `${one.name}\0` },
        ]);
        for (const one of [...near, other])
          expect(set.has(one.name, one.size, one.mtime), keyOf(one)).toBe(known.has(keyOf(one)));
      }),
    );
  });

  it('tells a hundred thousand names apart that differ by little, however it has grown', () => {
    const set = createFileSet();
    // Of one length and two letters, as who aims at a weak hash would choose them.
    const nameOf = (number: number): string =>
      number.toString(2).padStart(20, '0').replaceAll('0', 'Aa').replaceAll('1', 'BB');
    for (let number = 0; number < 200_000; number += 2) set.add(nameOf(number), 1000, 1_700_000_000);
    const wrong = Array.from({ length: 200_000 }, (_, number) => number).filter(
      (number) => set.has(nameOf(number), 1000, 1_700_000_000) !== (number % 2 === 0),
    );
    expect(wrong).toEqual([]);
  });
});

describe('HalfSipHash-2-4', () => {
  /** As the reference cuts a message of bytes into words: the last one holds what is left, and the length on top. */
  const wordsOf = (bytes: Buffer): Int32Array => {
    const padded = Buffer.alloc((Math.floor(bytes.length / 4) + 1) * 4);
    bytes.copy(padded);
    padded[padded.length - 1] = bytes.length;
    return Int32Array.from({ length: padded.length / 4 }, (_, at) => padded.readInt32LE(at * 4));
  };

  // vectors_hsip64 of the reference implementation: the key is 00…07, the message 00, 01, 02 …
  it.each<[length: number, hash: string]>([
    [0, '218d1f59b9b83cc8'],
    [1, 'be552412f8387315'],
    [2, '064f39ef7c50eb57'],
    [3, 'ce0f1a45f7060679'],
    [4, 'd5e78a175be52ea1'],
    [5, 'cb9d7c3f2f3db580'],
    [6, 'ce3e91358aa2bc25'],
    [7, 'ff202728b07bc684'],
    [8, 'edfee820bce4858c'],
    [9, '5b51cccc13888307'],
    [10, '95b0469f06a6f2ee'],
    [11, 'ae26333994ddcd48'],
    [12, '7bc71f9faef5c799'],
    [13, '5a2352d75a0c3744'],
    [14, '3bb1a870eae8e658'],
    [15, '217d0bcb4e81c902'],
    [16, '7336aad25f7bf3b5'],
    [63, '2ea63c71bf326087'],
  ])('gives what its reference gives for %i bytes', (length, expected) => {
    const sequence = (end: number): Buffer => Buffer.from(Array.from({ length: end }, (_, byte) => byte));
    const words = wordsOf(sequence(length));
    const [first, second] = createHalfSipHash(sequence(8))(words, words.length);
    const hash = Buffer.alloc(8);
    hash.writeUInt32LE(first);
    hash.writeUInt32LE(second, 4);
    expect(hash.toString('hex')).toBe(expected);
  });
});

describe('the keyed hash', () => {
  it('gives other numbers for another key: nobody outside can choose names that look alike', () => {
    const of = (byte: number) => createKeyedHash(Buffer.alloc(8, byte))('file', 1, 2);
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });

  it('changes about half of its bits with any one bit of what it hashes', () => {
    const hash = createKeyedHash(Buffer.from('01234567'));
    const bits = ([a, b]: readonly [number, number], [c, d]: readonly [number, number]): number =>
      [a ^ c, b ^ d].reduce((sum, word) => sum + (word >>> 0).toString(2).replaceAll('0', '').length, 0);
    const base = hash('name', 1000, 2000);
    const others = [
      ...Array.from({ length: 53 }, (_, bit) => hash('name', 1000 + 2 ** bit, 2000)),
      ...Array.from({ length: 31 }, (_, bit) => hash('name', 1000, 2000 ^ (1 << bit))),
      ...Array.from({ length: 4 * 16 }, (_, bit) => {
        const units = [0, 1, 2, 3].map((at) => 'name'.charCodeAt(at) ^ (at === bit >> 4 ? 1 << (bit & 15) : 0));
        return hash(String.fromCharCode(...units), 1000, 2000);
      }),
    ];
    for (const other of others) {
      expect(bits(base, other)).toBeGreaterThan(12);
      expect(bits(base, other)).toBeLessThan(52);
    }
  });
});
