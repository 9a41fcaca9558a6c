/** 64 bits, as two numbers. */
export type Hash64 = readonly [first: number, second: number];

/**
 * HalfSipHash-2-4 with 64 bits of output, over words of 32 bits: J.-P. Aumasson's and D. J. Bernstein's reference, less its cutting of
 * bytes into words. For inputs that a stranger chooses: who does not know the key cannot find two that look alike. A call into
 * OpenSSL costs ten times as much.
 * @param key 8 bytes
 */
export const createHalfSipHash = (key: Buffer): ((words: Int32Array, count: number) => Hash64) => {
  const k0 = key.readUInt32LE(0);
  const k1 = key.readUInt32LE(4);
  return (words, count) => {
    let v0 = k0;
    let v1 = k1 ^ 0xee;
    let v2 = k0 ^ 0x6c796765;
    let v3 = k1 ^ 0x74656462;
    let first = 0;
    // All the words, and two more turns that only mix: one before each half of the result.
    for (let at = 0; at < count + 2; at += 1) {
      const word = at < count ? (words[at] ?? 0) : 0;
      v3 ^= word;
      for (let rounds = at < count ? 2 : 4; rounds > 0; rounds -= 1) {
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
      if (at === count - 1) v2 ^= 0xee;
      if (at === count) {
        first = (v1 ^ v3) >>> 0;
        v1 ^= 0xdd;
      }
    }
    return [first, (v1 ^ v3) >>> 0];
  };
};

/**
 * HalfSipHash over so many words of 32 bits, and then a text: its length, and its UTF-16 units, two to a word.
 * @param key 8 bytes
 */
export const createTextHash = (key: Buffer): ((text: string, ...leading: readonly number[]) => Hash64) => {
  const hash = createHalfSipHash(key);
  let words = new Int32Array(64);
  return (text, ...leading) => {
    const first = leading.length + 1;
    const count = first + ((text.length + 1) >> 1);
    if (count > words.length) words = new Int32Array(count * 2);
    for (const [at, word] of leading.entries()) words[at] = word;
    words[leading.length] = text.length;
    // Beyond an odd last unit charCodeAt is NaN, which counts as 0.
    for (let at = first, unit = 0; at < count; at += 1, unit += 2)
      words[at] = text.charCodeAt(unit) | (text.charCodeAt(unit + 1) << 16);
    return hash(words, count);
  };
};
