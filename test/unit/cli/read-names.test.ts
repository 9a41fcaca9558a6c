import fc from 'fast-check';
import { PassThrough, Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { encodeName } from '../../../src/name.ts';
import { readNames } from '../../../src/cli/commands/read-names.ts';
import { hostileNames } from '../../support/parser.ts';

const NUL = Buffer.from([0]);
const namesOf = async (chunks: readonly Buffer[]): Promise<Buffer[]> => {
  const names: Buffer[] = [];
  for await (const name of readNames(Readable.from(chunks))) names.push(encodeName(name));
  return names;
};

it('gives every name back byte for byte, wherever the pipe cuts', async () => {
  const names = [...hostileNames];
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(fc.integer({ min: 1, max: 400 })), async (endsWithNul, lengths) => {
      const bytes = Buffer.concat(names.flatMap((name) => [NUL, name, NUL])).subarray(0, endsWithNul ? undefined : -1);
      const chunks: Buffer[] = [];
      let at = 0;
      for (const length of lengths) chunks.push(bytes.subarray(at, (at += length)));
      chunks.push(bytes.subarray(at));
      expect(await namesOf(chunks.filter((chunk) => chunk.length > 0))).toEqual(names);
    }),
  );
});

it('gives a name before the next one comes', async () => {
  const input = new PassThrough();
  const names = readNames(input);
  input.write('a\0b');
  expect(await names.next()).toEqual({ done: false, value: 'a' });
  input.end('\0');
  expect(await names.next()).toEqual({ done: false, value: 'b' });
  expect((await names.next()).done).toBe(true);
});

it('does not gather lines for ever', async () => {
  const lines = Array.from({ length: 100 }, () => Buffer.from('DC1/file\n'.repeat(1000)));
  await expect(namesOf(lines)).rejects.toThrow('Cannot read names: 65536 bytes without a NUL');
});
