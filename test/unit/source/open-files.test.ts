import { lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findOpenFiles, OpenFiles } from '../../../src/source/open-files.ts';
import { holdFile } from '../../support/file-holder.ts';

describe.each([tmpdir(), '/dev/shm'])('a file below %s', (base) => {
  it.each([
    ['open for writing', true],
    ['shared mapping', true],
    ['open for reading', false],
    ['private mapping', false],
    ['open for writing by a process without its first thread', true],
    ['shared mapping of a process without its first thread', true],
  ] as const)('%s: has a writer: %s', async (hold, isWriter) => {
    const folder = mkdtempSync(join(base, 'isocket-open-'));
    const path = join(folder, 'new\nline');
    writeFileSync(path, 'content');
    const writerOf = () => findOpenFiles().writerOf(lstatSync(path, { bigint: true }));
    try {
      {
        await using holder = await holdFile(path, hold);
        expect(writerOf()).toBe(isWriter ? holder.pid : undefined);
      }
      expect(writerOf()).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

it('tells files of one inode number on two devices apart', () => {
  const writers = new OpenFiles();
  writers.add({ dev: 1n, ino: 7n }, 100);
  writers.add({ dev: 2n, ino: 7n }, 200);
  expect([1n, 2n, 3n].map((dev) => writers.writerOf({ dev, ino: 7n }))).toEqual([100, 200, undefined]);
});

it('looks at a file on a mount that is gone only where a file has its inode number', () => {
  const writers = new OpenFiles();
  const looks: string[] = [];
  const look = () => {
    looks.push('look');
    return { dev: 2n, ino: 7n };
  };
  writers.add({ ino: 7n, look }, 100);
  expect(writers.writerOf({ dev: 2n, ino: 8n })).toBeUndefined();
  expect(looks).toEqual([]);
  expect([1n, 2n].map((dev) => writers.writerOf({ dev, ino: 7n }))).toEqual([undefined, 100]);
});
