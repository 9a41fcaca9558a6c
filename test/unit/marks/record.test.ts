import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { destinationKeys, type FileState } from '../../../src/marks/record-hash.ts';
import type { MarkRecord } from '../../../src/marks/mark-record.ts';
import { beginRecord, openRecord, readRecord } from '../../../src/marks/record.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-record-'));
  path = join(folder, 'DC1');
});
afterEach(() => rmSync(folder, { recursive: true }));

const ONE = destinationKeys([{ identity: 'a' }]);
const TWO = destinationKeys([{ identity: 'a' }, { identity: 'b' }]);
const fail = (message: string): void => {
  throw new Error(message);
};
const open = (keys = ONE, newFrom?: number): MarkRecord => openRecord(path, keys, fail, newFrom);

const state = (ino: bigint, more: Partial<FileState> = {}): FileState => ({
  ino,
  size: 100n,
  mtimeNs: 1_700_000_000_000_000_001n,
  ctimeNs: 1_700_000_000_000_000_002n,
  ...more,
});

it('confirms a name in one state, also after it was closed and opened', () => {
  {
    using record = open();
    expect(record.isFresh).toBe(true);
    expect(record.lookUp('a', state(1n))).toBe('unknown');
    record.add('a', state(1n));
    expect(record.lookUp('a', state(1n))).toBe('confirmed');
    expect(record.isNew('a')).toBe(true);
  }
  using record = open();
  expect(record.isFresh).toBe(false);
  expect(record.isNew('a')).toBe(false);
  expect(record.lookUp('a', state(1n))).toBe('confirmed');
  expect(record.lookUp('b', state(1n))).toBe('unknown');
});

it.each<[string, Partial<FileState>]>([
  ['inode', { ino: 2n }],
  ['size', { size: 101n }],
  ['mtime', { mtimeNs: 1_700_000_000_000_000_000n }],
  ['ctime', { ctimeNs: 1_700_000_000_000_000_003n }],
])('says "changed" for a name that it knows with another %s', (_what, other) => {
  using record = open();
  record.add('a', state(1n));
  expect(record.lookUp('a', state(1n, other))).toBe('changed');
});

it('keeps what each destination confirmed: one that was added or changed has nothing yet', () => {
  {
    using record = open();
    record.add('a', state(1n));
  }
  {
    using record = open(TWO);
    expect(record.lookUp('a', state(1n))).toBe('unknown');
    expect([0, 1].map((index) => record.has('a', state(1n), index))).toEqual([true, false]);
    record.addFor('a', state(1n), 1);
    expect(record.lookUp('a', state(1n))).toBe('confirmed');
  }
  using other = open(destinationKeys([{ identity: 'c' }]));
  expect(other.lookUp('a', state(1n))).toBe('unknown');
});

it('says "changed" as soon as one destination has another state', () => {
  using record = open(TWO);
  record.addFor('a', state(1n), 0);
  expect(record.lookUp('a', state(2n))).toBe('changed');
});

it('knows after it was opened again what this process added', () => {
  {
    using first = open();
    first.add('before', state(1n));
  }
  const length = statSync(path).size;
  appendFileSync(path, 'torn'); // By a crash.
  {
    using second = open(ONE, length + 4);
    second.add('new', state(2n));
    second.addClaimed('claimed', state(3n));
    expect(['before', 'new', 'claimed'].map((name) => second.isNew(name))).toEqual([false, true, false]);
  }
  using third = open(ONE, length + 4);
  expect(['before', 'new'].map((name) => third.isNew(name))).toEqual([false, true]);
  expect(third.lookUp('claimed', state(3n))).toBe('confirmed');
});

it('survives a torn last entry and the zeros of a power cut', () => {
  {
    using record = open();
    record.add('a', state(1n));
  }
  appendFileSync(path, Buffer.concat([Buffer.alloc(16), Buffer.from([1, 2, 3])]));
  {
    using record = open();
    record.add('b', state(2n));
  }
  expect(statSync(path).size).toBe(16 + 3 * 16);
  using record = open();
  expect(record.lookUp('a', state(1n))).toBe('confirmed');
  expect(record.lookUp('b', state(2n))).toBe('confirmed');
});

it('takes a record of version 0.1.0, and anything else, for none', () => {
  for (const bytes of [Buffer.alloc(64, 7), Buffer.from(''), Buffer.from('isocket\x03' + 'x'.repeat(40), 'latin1')]) {
    writeFileSync(path, bytes);
    expect(readRecord(path, ONE)).toBeUndefined();
    using record = open();
    expect(record.isFresh).toBe(true);
    expect(record.lookUp('a', state(1n))).toBe('unknown');
  }
});

it('drops what later entries replaced when it is opened, and loses nothing', () => {
  {
    using record = open();
    for (let time = 0n; time < 100n; time += 1n)
      for (let file = 0; file < 100; file += 1) record.add(`file-${file}`, state(1n, { ctimeNs: time }));
  }
  expect(statSync(path).size).toBe(16 + 10_000 * 16);
  open()[Symbol.dispose]();
  expect(statSync(path).size).toBe(16 + 100 * 16);
  using record = open();
  for (let file = 0; file < 100; file += 1) {
    expect(record.lookUp(`file-${file}`, state(1n, { ctimeNs: 99n }))).toBe('confirmed');
    expect(record.lookUp(`file-${file}`, state(1n, { ctimeNs: 98n }))).toBe('changed');
  }
});

it('is begun anew, whole and empty', () => {
  {
    using record = open();
    record.add('a', state(1n));
  }
  beginRecord(path, ONE, fail)[Symbol.dispose]();
  expect(readRecord(path, ONE)?.lookUp('a', state(1n))).toBe('unknown');
});

it('tells names apart whatever bytes they hold, and has a key of its own', () => {
  const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 20 }), ([first = '', ...others]) => {
      using record = beginRecord(path, ONE, fail);
      record.add(first, state(1n));
      expect(record.lookUp(first, state(1n))).toBe('confirmed');
      for (const other of others) expect(record.lookUp(other, state(1n))).toBe('unknown');
    }),
    { numRuns: 50 },
  );
  const keys = [1, 2].map(() => {
    beginRecord(path, ONE, fail)[Symbol.dispose]();
    return readFileSync(path).subarray(8, 16).toString('hex');
  });
  expect(keys[0]).not.toBe(keys[1]);
});

it('presumed for some destinations alone: proved, it outlives the process; doubted, it goes again', () => {
  const at = (ino: bigint) => ({ ...state(ino), dev: 1n });
  {
    using record = open(TWO);
    record.add('a', state(1n));
    for (const index of [0, 1]) record.addFor('a', state(1n, { size: -1n }), index); // It is closed once more.
    record.presumeFor('a', at(1n), 0);
    record.presumeFor('b', at(2n), 1);
    expect([record.has('a', state(1n), 0), record.has('b', state(2n), 1)]).toEqual([true, true]);
    record.provePartly('b');
    expect([...record.partly.keys()]).toEqual(['a']);
    record.doubt('a');
    expect([record.has('a', state(1n), 0), record.partly.size]).toEqual([false, 0]);
    record.presumeFor('c', at(3n), 0);
  }
  using record = open(TWO);
  expect([record.has('b', state(2n), 1), record.has('b', state(2n), 0)]).toEqual([true, false]);
  expect([record.has('a', state(1n), 0), record.has('c', state(3n), 0)]).toEqual([false, false]);
});
