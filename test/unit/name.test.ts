import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeName, encodeName, shellWord, showName } from '../../src/name.ts';

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

it.each([
  ['DC1', 'DC1'],
  ['DC 2', "'DC 2'"],
  ['DC$(touch pwned)', "'DC$(touch pwned)'"],
  ["it's", String.raw`'it'\''s'`],
  ['a\nb', String.raw`$'a\012b'`],
  ['-rf', "'-rf'"],
])('as a word for a shell: %j', (name, word) => {
  expect(shellWord(name)).toBe(word);
});

it('is one word of a shell, whatever bytes it has', () => {
  const names = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 20 }), { numRuns: 300, seed: 7 });
  const words = names.map((bytes) => decodeName(Buffer.from(bytes.filter((byte) => byte !== 0))));
  const script = `printf '%s\\0' ${words.map((word) => shellWord(word)).join(' ')}`;
  const printed = execFileSync('bash', ['-c', script], { env: { LC_ALL: 'C' } });
  expect(printed.equals(Buffer.concat(words.flatMap((word) => [encodeName(word), Buffer.from([0])])))).toBe(true);
});
