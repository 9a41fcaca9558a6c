import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LateProof } from '../../../src/delivery/late-proof.ts';
import type { MarkRecord } from '../../../src/marks/mark-record.ts';
import { createMemoryRecord } from '../../../src/marks/record.ts';
import { OpenFiles } from '../../../src/source/open-files.ts';

/** By the fake timers, which are those of the global object. */
const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const state = (ino: bigint) => ({ dev: 1n, ino, size: 8n, mtimeNs: 1n, ctimeNs: 2n });
const signal = new AbortController().signal;
/** What would be on the disk: what was added. */
const added = (record: MarkRecord): string[] => [...(record as unknown as { written: Set<string> }).written].sort();

const recordThatTells = (): MarkRecord => {
  const record = createMemoryRecord();
  const written = new Set<string>();
  const add = record.add.bind(record);
  record.add = (path, one) => {
    if (one.size >= 0n) written.add(path);
    else written.delete(path);
    add(path, one);
  };
  return Object.assign(record, { written });
};

const presumed = (...paths: string[]) => {
  const record = recordThatTells();
  const writers = new OpenFiles();
  const looks: number[] = [];
  const look = (): Promise<OpenFiles> => {
    looks.push(performance.now());
    return Promise.resolve(writers);
  };
  const proof = new LateProof({ record, look, signal, wait });
  for (const [index, path] of paths.entries()) record.presume(path, state(BigInt(index)));
  void proof.begin();
  return { record, writers, proof, looks };
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('proves what nobody may write once a close before the look would have been heard', async () => {
  const { record } = presumed('a');
  expect(record.lookUp('a', state(0n))).toBe('confirmed');
  await vi.advanceTimersByTimeAsync(2400);
  expect(added(record)).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(added(record)).toEqual(['a']);
  expect(record.presumed.size).toBe(0);
});

it('doubts what somebody may write', async () => {
  const { record, writers } = presumed('a', 'b');
  writers.add(state(1n), 4711);
  await vi.advanceTimersByTimeAsync(2600);
  expect(added(record)).toEqual(['a']);
  expect(record.lookUp('b', state(1n))).toBe('changed');
});

it('doubts what was closed between the look and the moment at which that is heard', async () => {
  const { record, proof } = presumed('a', 'b');
  await vi.advanceTimersByTimeAsync(2100);
  proof.doubt('a');
  await vi.advanceTimersByTimeAsync(1000);
  expect(added(record)).toEqual(['b']);
  expect(record.lookUp('a', state(0n))).toBe('changed');
});

it('looks anew for what was presumed after a look', async () => {
  const { record, proof, looks } = presumed('a');
  await vi.advanceTimersByTimeAsync(2100);
  record.presume('b', state(9n));
  void proof.begin();
  await vi.advanceTimersByTimeAsync(600);
  expect(added(record)).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(2600);
  expect(added(record)).toEqual(['a', 'b']);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(looks).toHaveLength(2);
});

it('proves nothing when events were lost', async () => {
  const { record, proof } = presumed('a', 'b');
  proof.doubtAll();
  await vi.advanceTimersByTimeAsync(2600);
  expect(added(record)).toEqual([]);
  expect(record.lookUp('a', state(0n))).toBe('changed');
});

it('tries again where it cannot look', async () => {
  const record = recordThatTells();
  let refused = 1;
  const look = (): Promise<OpenFiles> =>
    (refused -= 1) >= 0
      ? Promise.reject(Object.assign(new Error('EMFILE'), { code: 'EMFILE', errno: -24 }))
      : Promise.resolve(new OpenFiles());
  const proof = new LateProof({ record, look, signal, wait });
  record.presume('a', state(0n));
  void proof.begin();
  await vi.advanceTimersByTimeAsync(2600);
  expect(added(record)).toEqual([]);
  await vi.advanceTimersByTimeAsync(2600);
  expect(added(record)).toEqual(['a']);
});

it('proves at the end within a moment', async () => {
  const { record, proof } = presumed('a', 'b');
  const ended = proof.end();
  proof.doubt('b');
  await vi.advanceTimersByTimeAsync(100);
  await ended;
  expect(added(record)).toEqual(['a']);
});

it('proves what some destinations have, and doubts it as all else', async () => {
  const { record, proof } = presumed();
  record.presumeFor('a', state(1n), 0);
  record.presumeFor('b', state(2n), 0);
  void proof.begin();
  proof.doubt('b');
  await vi.advanceTimersByTimeAsync(2600);
  expect([record.partly.size, record.has('a', state(1n), 0), record.has('b', state(2n), 0)]).toEqual([0, true, false]);
  record.presumeFor('c', state(3n), 0);
  proof.doubtAll();
  expect(record.has('c', state(3n), 0)).toBe(false);
});
