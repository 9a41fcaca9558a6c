import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeName, encodeName, showName } from '../../src/name.ts';

it('round-trips every byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(encodeName(decodeName(Buffer.from(bytes))).equals(Buffer.from(bytes))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

it.each(['plain', '資料', 'emoji 🙂', 'e\u0301'])('does not change "%s"', (name) => {
  expect(decodeName(Buffer.from(name))).toBe(name);
});

it('shows no character that a terminal would interpret', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(showName(decodeName(Buffer.from(bytes)))).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    }),
  );
  expect(showName(decodeName(Buffer.from([0x61, 0xff, 0x0a, 0x1b])))).toBe('a\\xff\\n\\x1b');
});
