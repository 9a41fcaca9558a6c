import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ContentSums } from '../../../src/marks/content-sums.ts';
import type { FileState } from '../../../src/marks/record-hash.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-sums-'));
  path = join(folder, 'DC1+sums');
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (): ContentSums =>
  new ContentSums(path, (message) => {
    throw new Error(message);
  });
const state = (ctimeNs: bigint): FileState => ({ ino: 7n, size: 100n, mtimeNs: 1n, ctimeNs });
const sum = (text: string): Buffer => createHash('sha256').update(text).digest();

it('knows the sum of a name in one state, also after it was closed and opened', () => {
  {
    using sums = open();
    sums.add('a', state(1n), sum('old'));
    sums.add('a', state(2n), sum('new'));
    sums.add('b', state(1n), sum('b'));
    expect(sums.of('a', state(2n))).toBe(sum('new').toString('hex'));
  }
  using sums = open();
  expect(sums.of('a', state(1n))).toBeUndefined();
  expect(sums.of('a', state(2n))).toBe(sum('new').toString('hex'));
  expect(sums.of('b', state(1n))).toBe(sum('b').toString('hex'));
  expect(sums.of('c', state(1n))).toBeUndefined();
});

it('believes no entry of which a crash or a power cut took a part', () => {
  {
    using sums = open();
    sums.add('a', state(1n), sum('a'));
    sums.add('b', state(1n), sum('b'));
  }
  const bytes = readFileSync(path);
  bytes.fill(0, bytes.length - 16);
  writeFileSync(path, bytes);
  appendFileSync(path, Buffer.alloc(20, 1));
  {
    using sums = open();
    expect(sums.of('a', state(1n))).toBe(sum('a').toString('hex'));
    expect(sums.of('b', state(1n))).toBeUndefined();
    sums.add('b', state(1n), sum('b'));
  }
  using sums = open();
  expect(sums.of('b', state(1n))).toBe(sum('b').toString('hex'));
});

it('does not grow for ever with a file that is sent again and again', () => {
  {
    using sums = open();
    for (let at = 0; at < 10_000; at += 1) sums.add('a', state(BigInt(at)), sum(String(at)));
  }
  using sums = open();
  expect(statSync(path).size).toBeLessThan(100);
  expect(sums.of('a', state(9999n))).toBe(sum('9999').toString('hex'));
});
