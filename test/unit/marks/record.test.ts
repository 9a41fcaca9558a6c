import { appendFileSync, linkSync, lstatSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InodeSet } from '../../../src/marks/inode-set.ts';
import { createRecord, openRecord, type InodeState } from '../../../src/marks/record.ts';

const u64 = fc.bigInt(0n, 2n ** 64n - 1n);

describe('PairSet', () => {
  it('holds what was added and nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.bigInt(1n, 2n ** 64n - 1n), u64), { maxLength: 3000 }),
        fc.array(fc.tuple(u64, u64)),
        (added, others) => {
          const set = new InodeSet();
          for (const [first, second] of added) set.add(first, second);
          const keys = new Set(added.map(String));
          expect(set.size).toBe(keys.size);
          for (const [first, second] of added) expect(set.has(first, second)).toBe(true);
          for (const pair of others) expect(set.has(...pair)).toBe(keys.has(String(pair)));
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('record', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'isocket-record-'));
    path = join(folder, 'DC1');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('knows after it was opened again what this process added', () => {
    {
      using first = createRecord(path, [[state(1n, 10n), 'adopted']]);
      first.add(state(2n, 20n), 'before');
    }
    const length = statSync(path).size;
    appendFileSync(path, 'torn'); // By a crash.
    const torn = statSync(path).size;
    {
      using second = openRecord(path, undefined, torn);
      second?.add(state(3n, 30n), 'new');
    }
    for (const newFrom of [length, torn]) {
      using third = openRecord(path, undefined, newFrom);
      const known = [state(1n, 10n), state(2n, 20n), state(3n, 30n)];
      expect(known.map((one) => third?.has(one, 'any'))).toEqual([true, true, true]);
      expect(known.map((one) => third?.isNew(one, 'any'))).toEqual([false, false, true]);
    }
  });

  const state = (ino: bigint, ctimeNs: bigint, nlink = 1n): InodeState => ({ ino, ctimeNs, nlink });

  it('is not there before it was created', () => {
    expect(openRecord(path)).toBeUndefined();
  });

  it('knows an inode until anything touches it, also after it was closed and opened', () => {
    {
      using record = createRecord(path, [[state(1n, 10n), 'old']]);
      record.add(state(2n, 20n), 'new');
      expect(record.isNew(state(2n, 20n), 'new')).toBe(true);
      expect(record.isNew(state(1n, 10n), 'old')).toBe(false);
    }
    using record = openRecord(path);
    expect(record?.has(state(1n, 10n), 'old')).toBe(true);
    expect(record?.has(state(2n, 20n), 'new')).toBe(true);
    expect(record?.has(state(2n, 21n), 'new')).toBe(false);
    expect(record?.has(state(3n, 20n), 'new')).toBe(false);
    expect(record?.isFresh).toBe(false);
  });

  it('holds each name of an inode for itself', () => {
    using record = createRecord(path, []);
    record.add(state(1n, 10n, 2n), 'a');
    expect(record.has(state(1n, 10n, 2n), 'a')).toBe(true);
    expect(record.has(state(1n, 10n, 2n), 'b')).toBe(false);
    expect(record.hasInode(state(1n, 10n, 2n))).toBe(true);
  });

  it('tells two names of a real file apart', () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    writeFileSync(one, 'x');
    linkSync(one, two);
    using record = createRecord(path, []);
    record.add(lstatSync(one, { bigint: true }), 'one');
    expect(record.has(lstatSync(two, { bigint: true }), 'two')).toBe(false);
  });

  it('survives a torn last entry and the zeros of a power cut', () => {
    {
      using record = createRecord(path, []);
      record.add(state(1n, 10n), 'a');
    }
    appendFileSync(path, Buffer.concat([Buffer.alloc(16), Buffer.from([1, 2, 3])]));
    {
      using record = openRecord(path);
      record?.add(state(2n, 20n), 'b');
    }
    expect(statSync(path).size).toBe(48);
    using record = openRecord(path);
    expect(record?.has(state(1n, 10n), 'a')).toBe(true);
    expect(record?.has(state(2n, 20n), 'b')).toBe(true);
    expect(record?.has(state(0n, 0n), 'c')).toBe(false);
  });
});
