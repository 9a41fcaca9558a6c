import type { BigIntStats } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DirectoryCount } from '../../../src/delivery/directory-count.ts';
import { beginListing, type Listing } from '../../../src/delivery/listing.ts';

const stats = (size = 10, sinceMs = 1000): BigIntStats =>
  ({ size: BigInt(size), ctimeMs: BigInt(sinceMs), mtimeMs: 7n, mode: 0o644n }) as BigIntStats;
/** Created with umask 002. */
const born = (): BigIntStats => ({ ...stats(), mode: 0o664n, ctimeNs: 5n, mtimeNs: 5n });
const listing = (files: number, bytes: number): Listing => ({ ...beginListing(null), files, bytes });
const newCount = (): DirectoryCount => new DirectoryCount({ lookUp: () => 'unknown' }, false);
const sent = { result: 'sent' } as const;

describe('the count of a directory', () => {
  it('is unknown until a listing was through', () => {
    const count = newCount();
    void count.counting({}).ready?.('a', stats());
    count.noteOutcome('a', sent, stats());
    expect([count.current, count.ageMs]).toEqual([undefined, Infinity]);
  });

  it('is that of the listing, less what is sent while it goes on and after it', () => {
    const count = newCount();
    const visitor = count.counting({});
    for (const name of ['a', 'b', 'c']) void visitor.ready?.(name, stats());
    count.noteOutcome('a', sent, stats());
    visitor.heldBack?.('writing', { kind: 'open-for-writing', pid: 1 }, stats(5, 500));
    visitor.heldBack?.('finished.watch/x', { kind: 'reserved-name' });
    visitor.unreadable?.('sub', Object.assign(new Error('EACCES'), { code: 'EACCES', errno: -13 }));
    count.end(listing(10, 100), new Map(), 0);
    expect(count.current).toEqual({
      files: 11,
      bytes: 100,
      unsent: 4,
      unsentBytes: 25,
      skipped: 0,
      excluded: 0,
      reserved: ['finished.watch/x'],
      oldest: { path: 'writing', sinceMs: 500 },
      bornMarked: 0,
      changedMs: 7,
      unreadable: '"sub" in it cannot be read: permission denied',
    });
    count.noteOutcome('writing', sent, stats(5));
    count.noteOutcome('b', { result: 'changed' }, stats());
    expect(count.current).toMatchObject({ files: 11, unsent: 3, unsentBytes: 20, oldest: { sinceMs: 1000 } });
  });

  it('has a file that came after the listing, and was sent', () => {
    const count = newCount();
    count.counting({}).heldBack?.('writing', { kind: 'open-for-writing', pid: 1 }, stats());
    count.end(listing(1, 10), new Map(), 0);
    count.noteOutcome('new', sent, stats(7));
    expect(count.current).toMatchObject({ files: 2, bytes: 17, unsent: 1, unsentBytes: 10 });
  });

  it('counts down where there are more unsent files than it knows by name', () => {
    const count = newCount();
    const visitor = count.counting({});
    for (let index = 0; index < 3000; index += 1) void visitor.ready?.(`file-${index}`, stats(10, 1000 + index));
    count.end(listing(3000, 30_000), new Map(), 0);
    for (let index = 0; index < 3000; index += 1) count.noteOutcome(`file-${2999 - index}`, sent, stats());
    expect(count.current).toMatchObject({ files: 3000, unsent: 0, unsentBytes: 0, oldest: undefined });
    count.noteOutcome('new', sent, stats());
    expect(count.current).toMatchObject({ files: 3001, unsent: 0 });
  });

  it('says how many files were born with the mark: that wait, that were sent, and that are trusted and never sent', () => {
    const count = newCount();
    const visitor = count.counting({});
    void visitor.ready?.('a', born());
    void visitor.claimed?.('b', born());
    count.end(listing(3, 30), new Map([['b', born()]]), 0);
    expect(count.current?.bornMarked).toBe(2);
    count.noteOutcome('a', sent, born());
    expect(count.current?.bornMarked).toBe(2);
    count.counting({});
    count.end(listing(3, 30), new Map(), 0);
    count.noteOutcome('c', sent, born());
    expect(count.current?.bornMarked).toBe(2);
    const trusting = new DirectoryCount({ lookUp: () => 'unknown' }, true);
    void trusting.counting({}).sent?.('a', born());
    trusting.end(listing(1, 10), new Map(), 0);
    expect(trusting.current).toMatchObject({ unsent: 0, bornMarked: 1 });
  });

  it('a claim is unsent where it is sent after all, or no destination could be asked', () => {
    const count = newCount();
    const visitor = count.counting({});
    for (const name of ['confirmed', 'absent', 'open', 'open too']) void visitor.claimed?.(name, stats());
    count.end(listing(4, 40), new Map([['absent', stats()]]), 2);
    expect(count.current).toMatchObject({ files: 4, unsent: 3, unsentBytes: 30 });
  });
});
